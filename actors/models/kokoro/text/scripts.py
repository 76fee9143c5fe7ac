"""A text cut by script: what English reads, what Chinese or Japanese reads, and what is given in phonemes.

Guarantees that the pieces are the whole text, in order. Digits and marks go with what they stand at: with the script
that follows without a space where that is Han or kana, else with what was before. Standard library only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, NamedTuple

Script = Literal["latin", "han", "kana", "phonemes", "other", "any"]
"""Of a letter; "any" for digits, marks and spaces, "other" for letters that no reader knows."""


class Run(NamedTuple):
    """A piece of a text in one script; of phonemes, only those."""

    script: Script
    text: str


_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_GIVEN = re.compile(r"\[[^\]]*\]\(/([^/)]*)/\)")
"""`[word](/phonemes/)`."""


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
    for given in _GIVEN.finditer(text):
        made += _split(text[at : given.start()])
        made.append(Run("phonemes", given[1]))
        at = given.end()
    made += _split(text[at:])
    return made


def unreadable(text: str) -> str:
    """The letters of scripts that no reader knows, each once."""
    return "".join(dict.fromkeys(char for char in _GIVEN.sub("", text) if script_of(char) == "other"))


def without_unreadable(text: str) -> str:
    """The text without the letters that `unreadable` names."""
    is_given = (bool(_GIVEN.fullmatch(piece)) for piece in _pieces(text))
    return "".join(
        piece if given else "".join(char for char in piece if script_of(char) != "other")
        for piece, given in zip(_pieces(text), is_given, strict=True)
    )


def _pieces(text: str) -> Iterator[str]:
    """Given pronunciations, and what stands between them."""
    at = 0
    for given in _GIVEN.finditer(text):
        yield from (text[at : given.start()], given[0])
        at = given.end()
    yield text[at:]


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
