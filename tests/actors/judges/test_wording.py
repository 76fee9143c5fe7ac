"""Errors between what was said and what was heard: two ways to write one thing are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.judges.wording import compare, normalised

pytest.importorskip("jiwer")
pytest.importorskip("whisper_normalizer")

LETTERS = st.text(st.sampled_from("abcde fgh"), min_size=1, max_size=60).filter(str.strip)


@pytest.mark.parametrize(
    ("expected", "heard", "language"),
    [
        ("It cost four dollars and fifty cents.", "It cost $4.50", "en"),
        ("The wood shed is by Curve Buster", "the woodshed is by curvebuster", "en"),
        ("at six forty-five P M", "at 6:45 p.m.", "en"),
        ("Grüße aus Köln!", "grüße aus köln", "de"),
        ("大厅里的灯还亮着。", "大厅里的灯 还亮着", "zh"),
        ("L'été dernier", "lété dernier", "fr"),
    ],
)
def test_two_ways_to_write_one_thing_are_no_error(expected: str, heard: str, language: str) -> None:
    found = compare(expected, heard, language)
    assert (found.wer, found.run) == (0, 0), found
    assert found.cer <= 0.001


def test_a_local_fault_shows_as_a_run_though_the_rates_are_low() -> None:
    text = "one fish two birds " * 10
    heard = text.replace("two birds one fish two birds", "mumble grumble bla bla bla bla", 1)
    found = compare(text, heard, "en")
    assert found.run == 6
    assert found.wer == pytest.approx(6 / 40)


def test_errors_on_both_sides_of_a_word_that_agrees_are_two_runs() -> None:
    assert compare("a b c d e f g", "a x y d z w g", "de").run == 2


def test_nothing_heard_is_all_missing() -> None:
    found = compare("nothing was heard", "", "en")
    assert (found.wer, found.cer, found.run) == (1, 1, 3)


def test_a_text_without_a_word_is_refused() -> None:
    assert normalised("… — !", "en") == ""
    with pytest.raises(ValueError, match="no word"):
        compare("…", "hello", "en")


@given(LETTERS, LETTERS)
def test_rates_are_zero_for_the_same_words_and_only_for_them(expected: str, heard: str) -> None:
    """Law: in a language without forms of its own, errors are counted in words; without spaces in characters."""
    found = compare(expected, heard, "de")
    is_same = "".join(expected.split()) == "".join(heard.split())
    assert (found.cer == 0) is is_same
    if is_same:
        assert found.wer == 0
    assert 0 <= found.run <= max(len(expected.split()), len(heard.split()))
