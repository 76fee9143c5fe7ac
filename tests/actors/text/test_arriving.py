"""Arriving text is released as it is read, whatever its parts: laws at every split point, then what comes when."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_sentences import sentences

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.text.arriving import MAX_HELD_CHARS, ArrivingText, arriving_words
from speechmill.actors.text.front_end import FrontEnd

WORDS_ONLY = describe(ModelConfig("hibari"))
ENGLISH = FrontEnd(WORDS_ONLY)
CHINESE = FrontEnd(replace(WORDS_ONLY, languages=("zh", "en"), voice_languages=()))
AS_WRITTEN = FrontEnd(describe(ModelConfig("tone")))

PLAIN = "The whole village watched a faint point of light"
TEXTS = [
    f"{PLAIN} and paid $5 000 for it. Is that no. 5 or no? {PLAIN} again.",
    f"It was no. {PLAIN}. On May 5, 2020, at 3.30 p.m. Dr. Ward met 1,000 of them. {PLAIN}.\n\n{PLAIN}: 2/3.",
    f"A 2.5 billion dollar deal e\u0301te\u0301 for {PLAIN}\n\n***\n\nVisit www.example.org/a?b=1 now, he said.",
]
HAN_TEXTS = [
    "今天天气很好，我们去公园散步。2024年5月1日，他花了5 000元，买了3.5公斤苹果。大家都回家了，没有人再说什么。",
    "我们大家都觉得很好！第3次会议在下午3点半开始；请大家准时到会。\n\n然后我们就一起回家了，路上没有人说话。",
]


def whole(front_end: FrontEnd, text: str) -> str:
    return "\n\n".join(part.text for part in front_end.read(text).parts)


def released(front_end: FrontEnd, parts: list[str], limit: int = MAX_HELD_CHARS) -> str:
    return "".join(arriving_words(parts, front_end, max_held_chars=limit))


@pytest.mark.parametrize(
    ("front_end", "text"),
    [*((ENGLISH, text) for text in TEXTS), *((CHINESE, text) for text in HAN_TEXTS), (AS_WRITTEN, TEXTS[0])],
)
def test_at_every_split_point_what_is_released_is_the_reading_of_the_whole(front_end: FrontEnd, text: str) -> None:
    said = whole(front_end, text)
    for place in range(len(text) + 1):
        assert released(front_end, [text[:place], text[place:]]) == said, place
    assert released(front_end, list(text)) == said


def test_the_projects_sentences_come_out_as_they_are_read() -> None:
    """Sentences that the reading is tested with, among plain ones, in random parts."""
    chance = random.Random(7)
    lines = Path(speechmill.__file__).parent.joinpath("benchmarks/lib/text_sentences_en.tsv").read_text("utf-8")
    texts = [line.split("\t")[2] for line in lines.splitlines()[1:]]
    made = sentences(40)
    for text in texts[::3]:
        framed = f"{chance.choice(made)} {text} {chance.choice(made)} {chance.choice(texts)}"
        places = [0, *sorted(chance.choices(range(len(framed)), k=8)), len(framed)]
        assert released(ENGLISH, [framed[start:end] for start, end in pairwise(places)]) == whole(ENGLISH, framed)


@settings(max_examples=min(60, 2 * settings.default.max_examples))
@given(
    st.lists(
        st.sampled_from(["no.", "$5", "000", "Dr.", "walked", "slowly", "home", "again.", "[", "\n\n", "好，"]),
        max_size=60,
    ),
    st.lists(st.integers(0, 200), max_size=12),
    st.sampled_from([32, 60, MAX_HELD_CHARS]),
)
def test_parts_change_nothing_and_no_more_than_the_limit_is_held(words: list[str], cuts: list[int], limit: int) -> None:
    text = " ".join(words)
    places = [0, *sorted(place for place in cuts if place <= len(text)), len(text)]
    arriving, heard = ArrivingText(ENGLISH, max_held_chars=limit), ""
    for start, end in pairwise(places):
        heard += arriving.feed(text[start:end])
        assert arriving.num_held < limit
    assert heard + arriving.finish() == released(ENGLISH, [text], limit)


@pytest.mark.parametrize(
    ("begun", "going_on"),
    [("it was no. ", "5 of them"), ("it has cost $5 ", "000 in all"), ("he was fond of cat", "s and dogs")],
)
def test_what_may_still_change_is_held_back(begun: str, going_on: str) -> None:
    arriving = ArrivingText(ENGLISH)
    first = arriving.feed(begun)
    text = begun + going_on
    assert not any(word in first for word in ("number", "five", "dollar", "cat"))
    assert first + arriving.feed(going_on) + arriving.finish() == whole(ENGLISH, text)


def test_plain_words_are_released_one_word_late() -> None:
    arriving = ArrivingText(AS_WRITTEN)
    told = [arriving.feed(f"{word} ") for word in ["when", "the", "rain", "had", "stopped", "we", "went"]]
    assert told == ["", "", "", "", "when the rain", " had", " stopped"]
    assert arriving.finish() == " we went"


@pytest.mark.parametrize("num_chars", [2_000, pytest.param(200_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("unit", ["a.", "a. ", " ", ".", "\n", "\u0301", "好", "好，", "w ", "plain words ", "U.S. "])
def test_much_of_anything_comes_to_an_end(unit: str, num_chars: int) -> None:
    """Of much, the suite's time limit is the test: anything quadratic would take hours."""
    text = unit * (num_chars // len(unit))
    without_space = "".join(released(AS_WRITTEN, list(text)).split())
    assert without_space == "".join(whole(AS_WRITTEN, text).split())
