"""Text that arrives in parts: laws over any text and any arrival first, then when what is spoken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.made_sentences import sentences

from speechmill.actors.text.clauses import FIRST_CHARS, Normaliser, spoken_pieces
from speechmill.actors.text.splitting import normalise, split_text
from speechmill.errors import TextTooLong

WORDS = st.sampled_from(
    [
        "Dr.",
        "e.g.",
        "J.",
        "U.S.",
        "p.m.",
        "No.",
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
        "好。」",
        "「",
        "真的！",
        "said,",
        # what composes, what is dropped and what only looks like white space
        "e\u0301",
        "\u1100\u1161\u11a8",
        "\u0bc6\u0bbe",
        "\u200b",
        "\u00ad",
    ]
)
MARKS = st.sampled_from(list('…!?.,;:—-–"”()»。！，、：」）か \n\t\r\u3000\u00a0\u0085\u2028\u2029\u0301\u3099\u200d'))
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(WORDS, MARKS), max_size=80).map("".join),
    st.lists(st.one_of(WORDS, MARKS, st.just("\n\n")), max_size=60).map(" ".join),
)
CUTS = st.lists(st.integers(0, 300), max_size=20)
LIMITS = st.integers(1, 120)
SIZES = st.sampled_from([None, 1, 2, 3, 5, 10, 20, 10_000])


def without_space(text: str) -> str:
    return "".join(text.split())


def cut(text: str, cuts: list[int]) -> list[str]:
    """The text in parts, some of them empty."""
    places = [0, *sorted(place for place in cuts if place <= len(text)), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def pieces_of(text: str | Iterable[str], max_chars: int = 300, size: int | None = None) -> list[str] | str:
    """The pieces, or what was wrong."""
    try:
        return list(spoken_pieces(text, max_chars, size))
    except TextTooLong as error:
        return str(error)


@given(TEXTS, CUTS)
@example("e\u00ad\u0301 \u200b \x00x\r\n\r\ny\u2029z", list(range(20)))
@example("\u1100\u1161\u11a8", [1, 2])
@example("か\u3099\u1100\u1161\u0301x", [1, 2, 3, 4, 5])
def test_a_text_that_arrives_in_parts_is_normalised_as_if_it_came_whole(text: str, cuts: list[int]) -> None:
    for arriving in (cut(text, cuts), list(text), [text]):
        normal = Normaliser()
        assert "".join([*map(normal.feed, arriving), normal.finish()]) == normalise(text)


@given(TEXTS, CUTS, LIMITS, SIZES)
def test_how_a_text_arrives_changes_nothing(text: str, cuts: list[int], max_chars: int, size: int | None) -> None:
    whole = pieces_of(text, max_chars, size)
    assert pieces_of(cut(text, cuts), max_chars, size) == whole
    assert pieces_of(iter(text), max_chars, size) == whole


@given(TEXTS, LIMITS, SIZES)
def test_pieces_hold_the_text_and_keep_the_limit(text: str, max_chars: int, size: int | None) -> None:
    pieces = pieces_of(text, max_chars, size)
    if isinstance(pieces, str):
        assert any(len(word) > max_chars for word in normalise(text).split())
        return
    assert without_space("".join(pieces)) == without_space(normalise(text))
    assert all(0 < len(piece) <= max_chars for piece in pieces)
    assert all(piece == piece.strip() for piece in pieces)


@given(TEXTS, CUTS, LIMITS, SIZES)
def test_what_was_given_is_a_beginning_of_the_text_at_any_time(
    text: str, cuts: list[int], max_chars: int, size: int | None
) -> None:
    """Nothing is spoken before it has arrived."""
    arrived: list[str] = []

    def arriving() -> Iterator[str]:
        for part in cut(text, cuts):
            arrived.append(part)
            yield part

    given: list[str] = []
    try:
        for piece in spoken_pieces(arriving(), max_chars, size):
            given.append(piece)
            assert without_space(normalise("".join(arrived))).startswith(without_space("".join(given)))
    except TextTooLong:
        return


def given_after(*parts: str, max_chars: int = 300) -> list[list[str]]:
    """What can be spoken after each part, and at the end."""
    told: list[list[str]] = [[] for _ in range(len(parts) + 1)]
    position = 0

    def arriving() -> Iterator[str]:
        nonlocal position
        for position, part in enumerate(parts):  # noqa: B007  # told below
            yield part
        position = len(parts)

    for piece in spoken_pieces(arriving(), max_chars):
        told[position].append(piece)
    return told


def test_the_first_clause_is_spoken_as_soon_as_it_is_complete() -> None:
    first, second, end = given_after("When the rain had stopped, w", "e went out.")
    assert (first, second, end) == (["When the rain had stopped,"], [], ["we went out."])


def test_only_the_first_sentence_is_cut_at_a_clause() -> None:
    text = "When it stopped, we went out. When it began again, we were far from the house."
    assert pieces_of(text) == ["When it stopped,", "we went out. When it began again, we were far from the house."]


def test_a_sentence_is_spoken_when_the_next_one_begins() -> None:
    long = "This sentence is long enough to stand quite alone."
    assert given_after(long, " ", "An", "d more.") == [[], [], [long], [], ["And more."]]


@pytest.mark.parametrize(
    "begun",
    [
        "It was told to Dr.",
        "The bridge is 3.",
        "She waited for J.",
        "He lives in the U.S.",
        "We met on Jan.",
        "It is no.",
    ],
)
def test_a_full_stop_ends_nothing_before_the_next_word_shows_it(begun: str) -> None:
    assert given_after(begun, " ", "5")[:2] == [[], []]
    (piece,) = [piece for told in given_after(begun) for piece in told]
    assert piece == begun


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "It costs 3.5 million in all. It was told to Dr. Ward.",
            ["It costs 3.5 million in all.", "It was told to Dr. Ward."],
        ),
        ("The old man met Dr. Ward and Prof. Lee.", ["The old man met Dr. Ward and Prof. Lee."]),
        ("Yes. I do.", ["Yes. I do."]),
        ("Well, you know, I did.", ["Well, you know,", "I did."]),
        ("There were 1,000 of them, or more.", ["There were 1,000 of them,", "or more."]),
        ("It ran from 10–20 degrees", ["It ran from 10–20 degrees"]),
        ("On November 6, 2023, we met.", ["On November 6, 2023,", "we met."]),
        ("今天天气很好，我们去公园。你呢？", ["今天天气很好，", "我们去公园。你呢？"]),
        ("（第一个注解在这里）。然后", ["（第一个注解在这里）。", "然后"]),
        ("A heading\n\nThe text of it.", ["A heading", "The text of it."]),
        ("***\n\nThe end, they say, is near.", ["***", "The end, they say,", "is near."]),
    ],
)
def test_what_is_spoken_at_once(text: str, pieces: list[str]) -> None:
    assert pieces_of(text) == pieces


def test_a_text_of_one_clause_is_one_piece_as_in_a_job() -> None:
    for text in ("Hello there.", "One short clause that has no comma in it at all", "Yes!"):
        assert pieces_of(text) == split_text(text, 300) == [text]


def test_a_short_beginning_waits_for_more() -> None:
    assert len("Well, no,") < FIRST_CHARS
    assert given_after("Well, no, ", "I did not. ", "But they")[0] == []


def test_a_sentence_without_an_end_is_cut_before_it_ends() -> None:
    told = given_after(*(["and so on it went "] * 100), max_chars=100)
    assert told[12]
    assert sum(map(len, told)) > 15
    assert told[-1]


def test_a_word_over_the_limit_is_named() -> None:
    with pytest.raises(TextTooLong, match=r"'aaaa.*…' has more than 300 characters .* 300"):
        list(spoken_pieces("short " + "a" * 500, 300))


@pytest.mark.parametrize(
    "unit", ["a.", "a. ", " ", ".", ". (", "\n", "\u0301", "好", "?好", "w ", ", ", "—", '."', "U.S. "]
)
@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.soak)])
def test_a_long_text_of_anything_comes_to_an_end(unit: str, times: int) -> None:
    """Of the longest, the suite's time limit is the test: anything quadratic would take hours."""
    for size, num_chars in ((None, 20_000), (1, 5_000), (5_000, 6_000)):
        text = unit * (times * num_chars // len(unit))
        pieces = pieces_of(text, size=size)
        assert isinstance(pieces, str) or without_space("".join(pieces)) == without_space(normalise(text))


@pytest.mark.parametrize("size", [None, 10])
def test_at_every_split_point_pieces_and_their_order_are_the_same(size: int | None) -> None:
    english = f"It was no. 5, or no. {' '.join(sentences(2))} It cost $5 000 on May 5, 2020."
    for text in (english, "今天天气很好，我们去公园。花了5 000元，买了3.5公斤苹果！大家都回家了。"):
        whole = pieces_of(text, size=size)
        assert all(pieces_of([text[:place], text[place:]], size=size) == whole for place in range(len(text) + 1))
