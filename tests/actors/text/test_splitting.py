"""Splitting: laws over any text first, then the sentences that a reader would expect."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Prepared, Utterance
from speechmill.actors.text.sentences import sentence_spans
from speechmill.actors.text.splitting import fit_segments, normalise, split_text
from speechmill.errors import RowRejected, TextTooLong

PIECES = st.one_of(
    st.sampled_from(
        [
            "Dr.",
            "e.g.",
            "J.",
            "U.S.",
            "p.m.",
            "1.",
            "12",
            "3.5",
            "The",
            "a",
            "I",
            "word",
            "House",
            "etc.",
            "...",
            "é",
            "***",
            "日本",
        ]
    ),
    st.sampled_from(list('…!?.,;—-"”()»。！，、」好か \n\t\u3000\u00a0\u2028')),
    st.sampled_from(["  ", "\n\n", "\r\n\r\n"]),
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(PIECES, max_size=80).map("".join),
    st.lists(PIECES, max_size=60).map(" ".join),
)
LIMITS = st.integers(1, 120)


def without_space(text: str) -> str:
    return "".join(text.split())


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, 0, len(text))]


def split_or_none(text: str, max_chars: int) -> list[str] | None:
    try:
        return split_text(text, max_chars)
    except TextTooLong:
        return None


@given(TEXTS, LIMITS)
def test_pieces_hold_the_text_and_keep_the_limit(text: str, max_chars: int) -> None:
    pieces = split_or_none(text, max_chars)
    if pieces is None:
        assert any(len(word) > max_chars for word in text.split())
        return
    assert without_space("".join(pieces)) == without_space(text)
    assert all(0 < len(piece) <= max_chars for piece in pieces)
    assert all(piece == piece.strip() for piece in pieces)
    assert pieces == split_text(text, max_chars)


@given(TEXTS, LIMITS)
def test_a_piece_splits_into_itself(text: str, max_chars: int) -> None:
    for piece in split_or_none(text, max_chars) or []:
        assert split_text(piece, max_chars) == [piece]


@given(TEXTS, LIMITS)
def test_a_piece_without_a_letter_stands_alone_only_where_no_neighbour_has_room(text: str, max_chars: int) -> None:
    pieces = split_or_none(text, max_chars) or []
    for position, piece in enumerate(pieces):
        if not any(map(str.isalnum, piece)):
            neighbours = pieces[max(0, position - 1) : position] + pieces[position + 1 : position + 2]
            assert all(len(piece) + len(other) + 1 > max_chars or is_spaced(text) for other in neighbours)


def is_spaced(text: str) -> bool:
    """Whether white space between two pieces may be longer than a character."""
    return any(first.isspace() and second.isspace() for first, second in pairwise(text))


@given(TEXTS)
@example("e\u00ad\u0301 \u200b \x00x\r\n\r\ny\u2029z")
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert all(unicodedata.category(char) not in ("Cc", "Zl", "Zp") for char in once.replace("\n\n", ""))
    assert "  " not in once


@given(TEXTS)
def test_normalising_keeps_what_can_be_seen(text: str) -> None:
    def seen(s: str) -> str:
        return "".join(c for c in unicodedata.normalize("NFC", s) if c.isprintable() and not c.isspace())

    if text.isprintable():
        assert seen(normalise(text)) == seen(text)


def test_normalise_joins_wrapped_lines_and_keeps_paragraphs() -> None:
    text = "\ufeffA wrapped\r\nline,\tcafe\u0301.\x07\n \n\nNext\u00a0 one.\u00ad "
    assert normalise(text) == "A wrapped line, café.\n\nNext one."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith met J. K. Rowling. He left.", ["Dr. Smith met J. K. Rowling.", "He left."]),
        ("It cost $3.50. Cheap!", ["It cost $3.50.", "Cheap!"]),
        ("Use it, e.g. here, i.e. now. Done.", ["Use it, e.g. here, i.e. now.", "Done."]),
        ("St. Peter Street. It is old.", ["St. Peter Street.", "It is old."]),
        ("Apple Inc. The share fell.", ["Apple Inc.", "The share fell."]),
        ("Apple Inc. Headquarters. Big.", ["Apple Inc. Headquarters.", "Big."]),
        ("The U.S. Army came at 5 p.m. on Jan. 5. It won.", ["The U.S. Army came at 5 p.m. on Jan. 5.", "It won."]),
        ("No. I stay. No. 5 lives.", ["No.", "I stay.", "No. 5 lives."]),
        ("So did I. Mary left.", ["So did I.", "Mary left."]),
        ("J. A. Smith ran.", ["J. A. Smith ran."]),
        ("1. Mix it. 2. Bake it.", ["1. Mix it.", "2. Bake it."]),
        ('"Really?" she asked. "Yes!" He left.', ['"Really?" she asked.', '"Yes!"', "He left."]),
        ("Wait... what? Well… So it goes.", ["Wait... what?", "Well…", "So it goes."]),
        ("It rained (a lot.) Then it stopped.", ["It rained (a lot.)", "Then it stopped."]),
        ("what?! no way", ["what?!", "no way"]),
        ("你好！今天天气很好。你呢？", ["你好！", "今天天气很好。", "你呢？"]),
        ("「真的！」他说。版本3.5好", ["「真的！」", "他说。", "版本3.5好"]),
        ("क्या हाल है। ठीक है।", ["क्या हाल है।", "ठीक है।"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


LONG = "This sentence is long enough to stand quite alone."


def test_a_sentence_is_a_piece_and_short_ones_join_a_neighbour() -> None:
    assert split_text(f"{LONG} {LONG}", 300) == [LONG, LONG]
    assert split_text(f"Yes. {LONG} {LONG} No.", 300) == [f"Yes. {LONG}", f"{LONG} No."]
    assert split_text(f"Yes. {LONG}", 52) == ["Yes.", LONG]


def test_paragraphs_never_join_but_for_what_cannot_be_spoken() -> None:
    assert split_text("Title\n\nText here.", 300) == ["Title", "Text here."]
    assert split_text("Before.\n\n* * *\n\nAfter.", 300) == ["Before.\n\n* * *", "After."]
    assert split_text("***", 300) == ["***"]
    assert split_text(" \n\n\t", 300) == []


def test_a_long_sentence_is_cut_at_clauses_then_at_words() -> None:
    text = "the first part of it is here, the second part of it is there, and the third is nowhere to be found"
    assert split_text(text, 60) == [
        "the first part of it is here,",
        "the second part of it is there,",
        "and the third is nowhere to be found",
    ]
    assert split_text("one two three four five six", 10) == ["one two", "three four", "five six"]
    assert split_text("今天天气很好，我们去公园", 8) == ["今天天气很好，", "我们去公园"]
    assert split_text("今天天气很好我们去公园", 6) == ["今天天气很好", "我们去公园"]


def test_a_word_over_the_limit_is_named_with_its_length() -> None:
    with pytest.raises(TextTooLong, match=r"'aaaaaaaa.*…' has 500 characters .* 300"):
        split_text("short " + "a" * 500, 300)


@pytest.mark.parametrize(
    "unit", ["a.", "a. ", " ", ".", ".)", ")", ". (", "\n", "\n ", "好", "?好", "w ", ", ", "—", '."']
)
@pytest.mark.parametrize("max_chars", [300, 2_000_000])
@pytest.mark.parametrize("num_chars", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_a_long_text_of_anything_comes_to_an_end(unit: str, max_chars: int, num_chars: int) -> None:
    """Of the longest, the suite's time limit is the test: anything quadratic would take hours."""
    text = unit * (num_chars // len(unit))
    pieces = split_or_none(text, max_chars)
    assert pieces is None or without_space("".join(pieces)) == without_space(text)
    assert len(normalise(text)) <= len(text)


def spoken(text: str) -> Utterance:
    return Utterance(7, "x", text, 3, "v", 1.5)


def letters(piece: str, voice: str) -> Prepared:
    """Two tokens a letter, none for anything else."""
    assert voice == "v"
    return Prepared.of(ord(char) for char in piece if char.isalpha() for _ in range(2))


@given(TEXTS, st.integers(20, 120), st.integers(8, 100))
def test_segments_fit_and_hold_every_token(text: str, max_chars: int, max_length: int) -> None:
    try:
        segments = fit_segments(spoken(text), max_chars, max_length, letters)
    except TextTooLong:
        assert any(len(word) > max_chars or 2 * len(word) > max_length for word in normalise(text).split())
        return
    except RowRejected:
        assert not letters(normalise(text), "v").tokens
        return
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert all(0 < segment.length <= max_length for segment in segments)
    tokens = [token for segment in segments for token in segment.tokens]
    assert tuple(tokens) == letters(normalise(text), "v").tokens


def test_segments_carry_what_the_row_said() -> None:
    (segment,) = fit_segments(spoken(" Hello\nyou. "), 300, 100, letters)
    assert (segment.row, segment.index, segment.text) == (7, 0, "Hello you.")
    assert (segment.seed, segment.voice, segment.speed) == (3, "v", 1.5)


def test_a_long_word_among_short_ones_is_not_lost_in_halving() -> None:
    """Half of the piece's length may be less than its longest word; the word still goes alone."""
    segments = fit_segments(spoken("internationalization of x"), 300, 40, letters)
    assert [segment.text for segment in segments] == ["internationalization", "of x"]


def test_a_word_of_too_many_tokens_is_named() -> None:
    with pytest.raises(TextTooLong, match=r"'extraordinary' \(13 characters\) has the length 26 .* at most 20"):
        fit_segments(spoken("an extraordinary day"), 300, 20, letters)


def cloned(piece: str, voice: str) -> Prepared:
    """Tokens as before; a reference of 50 frames, and 3 frames a letter."""
    tokens = letters(piece, voice).tokens
    return Prepared(tokens, 50 + 3 * len(tokens) // 2)


def test_texts_are_cut_by_the_length_that_a_model_says_and_not_by_its_tokens() -> None:
    segments = fit_segments(spoken("one two three four five six seven eight"), 300, 86, cloned)
    assert " ".join(segment.text for segment in segments) == "one two three four five six seven eight"
    assert [segment.length for segment in segments] == [50 + 3 * len(segment.tokens) // 2 for segment in segments]
    assert all(50 < segment.length <= 86 for segment in segments)
    assert replace(segments[0], speed=0.5).length == 2 * segments[0].length, "slow speech takes more"
    with pytest.raises(TextTooLong, match=r"has the length 53 .* at most 52"):
        fit_segments(spoken("a"), 300, 52, cloned)
    with pytest.raises(ValueError, match="1 tokens have the length 0"):
        Prepared((5,), 0)


def test_nothing_to_speak_is_rejected() -> None:
    with pytest.raises(RowRejected, match="nothing in the text can be spoken"):
        fit_segments(spoken("… 123 —"), 300, 20, letters)
