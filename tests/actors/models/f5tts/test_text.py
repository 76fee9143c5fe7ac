"""Texts as tokens and frames: the rules of the published model, written down by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.f5tts.text import segmentation
from speechmill.actors.models.f5tts.text.durations import num_frames, reference_frames, reference_text
from speechmill.actors.models.f5tts.text.segmentation import words_of
from speechmill.actors.models.f5tts.text.tokens import Vocabulary, tokens_of
from speechmill.errors import ModelError, RowRejected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("forty-two", ["forty-two"]),
        ("i.e. x--y", ["i.e", ".", " ", "x", "--", "y"]),
        ("3.5%5 R&D AT&TX C++11", ["3.5%", "5", " ", "R", "&", "D", " ", "AT&T", "X", " ", "C++", "11"]),
        ("naïve1 don't", ["na", "ï", "ve1", " ", "don", "'", "t"]),
        ("10,000\r\nА б", ["10", ",", "000", "\r\n", "А", " ", "б"]),
        ("", []),
    ],
)
def test_latin_text_is_cut_as_the_package_cuts_it(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text(alphabet=st.characters(max_codepoint=0x33FF, exclude_categories=["Cs"]), max_size=40))
def test_words_are_the_text(text: str) -> None:
    assert "".join(words_of(text)) == text


def test_a_word_after_a_mark_gets_a_space_and_quotes_do_not() -> None:
    assert "".join(tokens_of("Well,then; “Yes” (no)")) == 'Well, then, "Yes" ( no)'


def test_chinese_is_pinyin_with_its_tone_after_a_space() -> None:
    pytest.importorskip("rjieba")
    tokens = tokens_of("Hello world; 你好，世界 3天 ok.")
    assert tokens[:16] == [*"Hello", " ", *"world", ",", " ", " ", "ni2", " "]
    assert tokens[16:] == ["hao3", "，", " ", "shi4", " ", "jie4", " ", "3", " ", "tian1", " ", *"ok", "."]


def test_without_the_package_chinese_rows_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rjieba", None)
    segmentation.cut_han.cache_clear()
    with pytest.raises(RowRejected, match=r"speechmill\[f5tts\]"):
        words_of("你好")
    assert words_of("hello") == ["hello"]


def test_ids_are_lines_of_the_file_whatever_ends_them(tmp_path: Path) -> None:
    for end in ("\n", "\r\n"):
        (tmp_path / "vocab.txt").write_bytes(end.join([" ", "a", "b", "ni3", ""]).encode())
        vocabulary = Vocabulary.read(tmp_path / "vocab.txt")
        assert (len(vocabulary), vocabulary.ids("ab é")) == (4, (1, 2, 0, 0))
        assert list(vocabulary.unknown("abc é e!")) == ["c", "é", "e"]


@pytest.mark.parametrize("content", [b"a\nb\n", b"\xff\xfe", b""])
def test_another_file_is_no_vocabulary(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ModelError, match=r"vocab\.txt"):
        Vocabulary.read(tmp_path / "vocab.txt")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Some words", "Some words.  "),
        ("Some words.", "Some words.  "),
        ("Some words. ", "Some words.  "),
        ("你好。", "你好。"),
        ("你好", "你好.  "),
    ],
)
def test_the_words_of_a_reference_end_with_a_stop(text: str, read: str) -> None:
    assert reference_text(text) == read


def test_frames_follow_the_bytes_of_the_text_and_the_pace_of_the_reference() -> None:
    # 2 s of reference: 187 frames for 20 bytes.
    assert reference_frames(48_000) == 188
    assert num_frames(48_000, "x" * 20, "y" * 40, 60) == 187 + 374
    assert num_frames(48_000, "x" * 20, "y" * 40, 60, speed=2.0) == 187 + 187
    assert num_frames(48_000, "x" * 20, "你好" * 8, 60) == 187 + int(187 / 20 * 48)


def test_a_short_text_is_spoken_slowly_and_every_text_has_frames() -> None:
    assert num_frames(48_000, "x" * 20, "y" * 9, 29) == 187 + int(187 / 20 * 9 / 0.3)
    assert num_frames(2_560, "x" * 200, "y" * 10, 210) == 211  # one more than tokens
    assert num_frames(48_000, "x" * 9_000, "y" * 10, 60) == 189  # one more than what is given
