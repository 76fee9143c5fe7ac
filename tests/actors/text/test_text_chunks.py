"""The size of a chunk of text: which clauses are spoken together, and what is no size. Laws first.

That arrival changes nothing and no character is lost, whatever the size, is in `test_clauses.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmill.actors.text.clauses import CHUNK_TOKENS, FIRST_CHARS, MAX_CHUNK_TOKENS, chunk_tokens_of, spoken_pieces
from speechmill.errors import SpecError

CLAUSES = st.tuples(
    st.lists(
        st.sampled_from(["Mill", "Word", "It", "Waterwheel", "1,000", "日本", "ひらがな"]), min_size=1, max_size=6
    ),
    st.sampled_from([",", ";", ":", "!", "?", "，", "。"]),
).map(lambda clause: " ".join(clause[0]) + clause[1])


def num_quarters(text: str) -> int:
    """Quarters of a text token, counted in another way than the module does."""
    return sum(4 if unicodedata.name(char).startswith(("CJK UNIFIED", "HIRAGANA", "HANGUL")) else 1 for char in text)


@example(["Waterwheel 1,000,", "1,000,"], 1)
@given(st.lists(CLAUSES, max_size=30), st.integers(1, 60))
def test_a_chunk_ends_with_the_first_clause_by_which_it_has_its_tokens(clauses: list[str], size: int) -> None:
    """Where a number stands on both sides of the mark, the clause goes on: it may be a date."""
    expected, piece = [], ""
    for number, clause in enumerate(clauses, start=1):
        following = "".join(clauses[number : number + 1])
        piece = f"{piece} {clause}".lstrip()
        goes_on = clause[-2].isdigit() and clause[-1] in ",;:，" and following[:1].isdigit()
        if not goes_on and num_quarters(piece) >= (4 * size if expected else FIRST_CHARS):
            expected.append(piece)
            piece = ""
    assert list(spoken_pieces(" ".join(clauses), 100_000, size)) == [*expected, *filter(None, [piece])]


RAIN = "When the rain had stopped, we went out, the dog, too, who was glad, and said so. It was cold! We laughed."


@pytest.mark.parametrize(
    ("size", "later"),
    [
        (1, "we went out,|the dog,|too,|who was glad,|and said so.|It was cold!|We laughed."),
        (5, "we went out, the dog,|too, who was glad, and said so.|It was cold! We laughed."),
        (10, "we went out, the dog, too, who was glad,|and said so. It was cold! We laughed."),
        (10_000, "we went out, the dog, too, who was glad, and said so. It was cold! We laughed."),
        (None, "we went out, the dog, too, who was glad, and said so.|It was cold! We laughed."),
    ],
)
def test_the_size_of_chunks_decides_which_clauses_are_spoken_together(size: int | None, later: str) -> None:
    assert list(spoken_pieces(RAIN, 300, size)) == ["When the rain had stopped,", *later.split("|")]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "今天天气很好，我们去公园，你们去哪里呢？我们回家。",
            ["今天天气很好，", "我们去公园，", "你们去哪里呢？", "我们回家。"],
        ),
        (
            "오늘은 날씨가 아주 좋다, 우리는 간다, 너도, 간다.",
            ["오늘은 날씨가 아주 좋다,", "우리는 간다,", "너도, 간다."],
        ),
    ],
)
def test_a_character_of_chinese_or_korean_is_a_token(text: str, pieces: list[str]) -> None:
    assert list(spoken_pieces(text, 300, 5)) == pieces


def test_a_clause_of_a_long_sentence_is_spoken_before_the_sentence_ends() -> None:
    arrived: list[str] = []

    def arriving() -> Iterator[str]:
        for part in ("When it rained, the", " people of the village stayed in the kitchen, a", "nd nobody", " came."):
            arrived.append(part)
            yield part

    given = [(piece, len(arrived)) for piece in spoken_pieces(arriving(), 300, 10)]
    chunk = "the people of the village stayed in the kitchen,"
    assert given == [("When it rained,", 1), (chunk, 2), ("and nobody came.", 4)]


def test_a_chunk_larger_than_a_piece_is_cut_where_sentences_fit() -> None:
    sentence = "The wheel turns and the stones are warm."
    assert list(spoken_pieces(" ".join(["A first clause, now.", *[sentence] * 5]), 100, 10_000)) == [
        "A first clause,",
        f"now. {sentence} {sentence}",
        f"{sentence} {sentence}",
        sentence,
    ]


def test_chunks_are_for_text_that_arrives_unless_one_asks() -> None:
    assert chunk_tokens_of("a text", "auto") is None
    assert chunk_tokens_of(["a", "text"], "auto") == CHUNK_TOKENS
    for size in (None, 1, MAX_CHUNK_TOKENS):
        assert chunk_tokens_of("a text", size) == chunk_tokens_of(["a", "text"], size) == size


@pytest.mark.parametrize("size", [0, -1, MAX_CHUNK_TOKENS + 1, 10**30, 10.0, float("nan"), True, "10", "", "Auto"])
def test_what_is_no_size_is_said_with_what_is_one(size: object) -> None:
    with pytest.raises(SpecError, match=r"^streaming_text_chunk_size is .*; it is a number .* from 1 to 10,000, none "):
        chunk_tokens_of(["a"], size)  # type: ignore[arg-type]
