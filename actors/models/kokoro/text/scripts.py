"""A text cut by script: what English reads, what Chinese or Japanese reads, and what is given in phonemes.

Guarantees that the pieces are the whole text, in order. Digits and marks go with what they stand at: with the script
that follows without a space where that is Han or kana, else with what was before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from ...hibari.phonemes import phoneme_spelling

Script = Literal["latin", "han", "kana", "phonemes", "other", "any"]
"""Of a letter; "any" for digits, marks and spaces, "other" for letters that no reader knows."""


class Run(NamedTuple):
    """A piece of a text in one script; of phonemes, only those."""

    script: Script
    text: str


_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]")


def script_of(char: str) -> Script:
    """The script of a character."""
    if not char.isalpha() and not _KANA.match(char):
        return "any"
    if _HAN.match(char):
        return "han"
    if _KANA.match(char):
        return "kana"
    name = unicodedata.name(char, "")
    is_latin = name.startswith(("LATIN", "FULLWIDTH LATIN", "MODIFIER LETTER", "FEMININE ORD", "MASCULINE ORD"))
    return "latin" if is_latin else "other"


def runs(text: str) -> list[Run]:
    """The text in pieces of one script each; those of kana and Han are one, "kana" where there is any kana."""
    made: list[Run] = []
    at = 0
    for given in _given().finditer(text):
        made += _split(text[at : given.start()])
        made.append(Run("phonemes", given[0].rpartition("](/")[2].removesuffix("/)")))
        at = given.end()
    made += _split(text[at:])
    return made


def unreadable(text: str) -> tuple[str, ...]:
    """The letters of scripts that no reader knows, each once."""
    return tuple(dict.fromkeys(char for char in _given().sub("", text) if script_of(char) == "other"))


@cache
def _given() -> re.Pattern[str]:
    """`[word](/phonemes/)`."""
    return re.compile(phoneme_spelling())


def _split(text: str) -> Iterator[Run]:
    is_japanese = any(script_of(char) == "kana" for char in text)
    east: Script = "kana" if is_japanese else "han"
    scripts: list[Script] = [east if script in ("han", "kana") else script for script in map(script_of, text)]
    # From the end: a number, with its marks, right before Han or kana is read in that language: 2024年, 12.5元.
    is_before_east = False
    for at in reversed(range(len(text))):
        if scripts[at] != "any":
            is_before_east = scripts[at] == east
        elif is_before_east and (text[at].isdigit() or (text[at] in ".,:%" and at)):
            scripts[at] = east
        else:
            is_before_east = False
    letters: list[Script] = [script for script in scripts if script != "any"]
    current: Script = letters[0] if letters else "any"
    start = 0
    for at, script in enumerate(scripts):
        if script not in ("any", current):
            yield Run(current, text[start:at])
            start, current = at, script
    if text[start:]:
        yield Run(current, text[start:])
