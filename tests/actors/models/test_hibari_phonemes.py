"""Text to phoneme ids: known readings, and no text that breaks it or takes long."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmill.actors.models.hibari.network import VOCABULARY
from speechmill.actors.models.hibari.phonemes import Phonemes
from speechmill.errors import RowRejected

AMERICAN = Phonemes(british=False)
BRITISH = Phonemes(british=True)
TANGLES = st.lists(
    st.sampled_from(["1/", "a-", "$", "9,", "%", "a@", "[x](", "](", "/", "A.", "1st", "’", "12:3", "½", "\ud800"]),
    max_size=120,
).map("".join)


@given(st.text(max_size=200) | TANGLES)
@example("9" * 100)
@example("[" + "word " * 60 + "](https://example.org)")
@settings(deadline=None, max_examples=150)
def test_any_text_gives_ids_nothing_or_a_rejected_row(text: str) -> None:
    try:
        ids = AMERICAN.ids(text)
    except RowRejected as error:
        assert repr(text[:40]) in str(error)
        return
    assert ids == () or (ids[0] == ids[-1] == 0 and len(ids) > 2)
    assert all(0 < each < VOCABULARY for each in ids[1:-1])


@pytest.mark.parametrize("text", ["", " ", "\n\t", "...", "?!", "—", "“”", "你好", "🙂", "\u200b"])
def test_nothing_to_pronounce_gives_no_ids(text: str) -> None:
    assert AMERICAN.ids(text) == ()


def test_the_ids_are_those_of_the_package() -> None:
    from hibari import Hibari

    package = Hibari()
    for text in ("Hello there.", "On the 3rd of March 2024, 1,250 people paid $9.99 each.", "A [pair](/pˈɛɹ/) of it."):
        (phonemes,) = package.phonemize(text)
        assert list(AMERICAN.ids(text)) == package.ids(phonemes)


def test_a_british_voice_reads_the_british_way() -> None:
    text = "Laugh at the new tomato, there is hardly a better one."
    assert AMERICAN.ids(text) != BRITISH.ids(text)


def test_a_word_without_end_is_read_in_pieces() -> None:
    """The package's rules took ten seconds for 400 characters of this, and the cube of that for more."""
    assert len(AMERICAN.ids("a-" * 500)) > 500


def test_a_number_beyond_all_names_is_the_rows_own_failure() -> None:
    with pytest.raises(RowRejected, match="cannot read the text '9999"):
        AMERICAN.ids("9" * 48)


@pytest.mark.parametrize(
    ("text", "word", "other"),
    [
        ("We asked, and they said no. Then it rained.", "no", "number"),
        ("It is either yes or no.", "no", "number"),
        ("Here is a ripe fig. It is sweet.", "fig", "figure"),
        ("His name is Jan. He sings.", "Jan", "January"),
        ("Half of Gen Z agrees.", "Gen", "General"),
        ("Our friend Richard Ode came.", "Richard", "Richard the"),
    ],
)
def test_words_are_not_read_as_abbreviations_or_numerals_once_more(text: str, word: str, other: str) -> None:
    """The front end has decided what each is."""
    said = f" {AMERICAN.phonemes(text)} "
    assert f" {AMERICAN.phonemes(word)}" in said
    assert AMERICAN.phonemes(other) not in said
