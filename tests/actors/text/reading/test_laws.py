"""Nothing is lost in silence: laws over all of Unicode, and over generated sentences."""

from __future__ import annotations

import random
import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.text.front_end import reader_of
from speechmill.actors.text.reading.analyser import Analysis, analyse, is_meaningful
from speechmill.actors.text.reading.folding import fold
from speechmill.actors.text.reading.records import MARK

STRIDE, WIDE = 13, 13 * 16
"""Between the code points that are tried: a sample of every block, a thinner one of the blocks of thousands."""
LARGE_BLOCKS = (range(0x3400, 0xA000), range(0xAC00, 0xD7B0), range(0x17000, 0x18D00), range(0x20000, sys.maxunicode))
"""Han, Hangul, Tangut, and the planes of Han behind them."""


def analysis(text: str, language: str) -> Analysis:
    return analyse(text, reader_of(language), is_chinese=language == "zh")


def said_of(text: str, language: str = "en") -> tuple[str, tuple[str, ...]]:
    found = analysis(text, language)
    return " ".join(found.spoken.split()), found.unspoken


@pytest.mark.parametrize(("language", "frame"), [("en", "He saw {} there."), ("zh", "他看见{}了。")])
def test_every_letter_digit_and_symbol_of_unicode_is_spoken_or_named(language: str, frame: str) -> None:
    bare = said_of(frame.format(""), language)
    lost: list[str] = []
    for code in range(0xA0, sys.maxunicode, STRIDE):
        if any(code in block and (code - block.start) % WIDE >= STRIDE for block in LARGE_BLOCKS):
            continue
        char = chr(code)
        if unicodedata.category(char)[0] in "LNS" and said_of(frame.format(char), language) == bare:
            lost.append(f"U+{code:04X} {unicodedata.name(char, '')}")
    assert not lost


TEXTS = st.text() | st.lists(
    st.sampled_from([*"0123456789.,:;!?'\"/-–—~*#&@%+=$£€°²½ \nAbIVXms中日¥", "km", "p.m.", "Mr."]),
    max_size=20,
).map("".join)  # fmt: skip


@given(TEXTS, st.sampled_from(["en", "zh"]))
@settings(max_examples=min(300, 6 * settings.default.max_examples), deadline=None)
def test_spans_are_in_order_and_hold_all_that_is_not_said_as_written(text: str, language: str) -> None:
    found = analysis(text, language)
    position = 0
    for span in found.spans:
        assert position <= span.start < span.end <= len(found.text)
        between = found.text[position : span.start]
        assert not re.search(r"[0-9%&@#§$€]", between)
        written = found.text[span.start : span.end]
        is_mark = span.kind == MARK and set(written) <= set("~-−·")
        assert span.words or is_mark or not is_meaningful(written) or found.unspoken
        position = span.end
    assert not re.search(r"[0-9%&@#§$€]", found.text[position:])
    assert not re.search(r"[0-9]", found.spoken)


@given(st.text())
@settings(max_examples=min(200, 4 * settings.default.max_examples), deadline=None)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


NUMBERS = ["7", "12", "208", "1,234", "3.25", "1995", "0451", "½", "3/4", "21st", "-5"]
TAKING_NUMBERS = ["{} km", "{} kg", "${}", "{} €", "{}%", "page {}", "No. {}", "{} people", "x = {}", "{} × 3", "{}°C"]
WORDS = ["We saw", "It was", "They had", "She gave", "He took", "and then", "near the", "for a"]


def sentence(chance: random.Random) -> str:
    """A sentence with forms of numbers, symbols and names in it."""
    forms = [chance.choice(TAKING_NUMBERS).format(chance.choice(NUMBERS)) for _ in range(2)]
    return f"{chance.choice(WORDS)} {forms[0]} {chance.choice(WORDS).lower()} {forms[1]} Ω & мир there."


@pytest.mark.parametrize("count", [30, pytest.param(5_000, marks=pytest.mark.soak)])
def test_a_meaningful_character_that_is_taken_out_changes_what_is_said_or_named(count: int) -> None:
    """Zeros that a number does not need, as in 0.5, are the only ones that may go without a sound."""
    chance = random.Random(7)
    lost: list[str] = []
    for _ in range(count):
        text = sentence(chance)
        whole = said_of(text)
        for place, char in enumerate(text):
            if not is_meaningful(char) or (char == "0" and not text[place - 1].isdigit()):
                continue
            if said_of(text[:place] + text[place + 1 :]) == whole:
                lost.append(f"{text} without {char!r} at {place}")
    assert not lost


@pytest.mark.parametrize(
    ("text", "unspoken"),
    [
        ("A door with 入口 on it.", ("入口",)),
        ("We ordered ผัดไทย for lunch.", ("ผัดไทย",)),
        ("They wrote книга and река.", ("книга", "река")),
        ("The word שלום is kind, مرحبا too.", ("שלום", "مرحبا")),
        ("Both α and β decay.", ()),
        ("It is ➽ so.", ()),
    ],
)
def test_words_of_other_scripts_are_named_whole(text: str, unspoken: tuple[str, ...]) -> None:
    assert analysis(text, "en").unspoken == unspoken
