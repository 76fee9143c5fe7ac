"""Symbols, letters and emoji by name: the tables of a language first, then what Unicode calls them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from .tables import read_table

_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?([A-Z]+)(?: WITH .*)?\Z")
_NOISE = re.compile(r"\b(?:sign|symbol|emoji|with|glyph|character|letter|digit|number form)\b", re.IGNORECASE)
_TONES = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f\u20e3]")


@cache
def symbol_names(language: str) -> dict[str, str]:
    """Symbols of a language's own table."""
    return {row[0]: row[1] for row in read_table(f"{language}/symbols")}


@cache
def emoji_names(language: str) -> dict[str, str]:
    """Emoji, most of them one character, some a sequence."""
    return {emoji: name for emoji, name in read_table(f"{language}/emoji") if emoji not in symbol_names(language)}


@cache
def emoji_pattern(language: str) -> re.Pattern[str]:
    """The longest emoji at a place, with skin tones and selectors anywhere in it."""
    tone = "[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]*"
    known = sorted(emoji_names(language), key=lambda emoji: (-len(emoji), emoji))
    sequences = [tone.join(map(re.escape, emoji)) for emoji in known if len(emoji) > 1]
    singles = "".join(re.escape(emoji) for emoji in known if len(emoji) == 1)
    return re.compile(f"(?:{'|'.join([*sequences, f'[{singles}]'])}){tone}")


def emoji_name(language: str, found: str) -> str:
    """The name of what `emoji_pattern` found."""
    names = emoji_names(language)
    return names.get(found) or names.get(_TONES.sub("", found)) or names.get(found.replace("\ufe0f", ""), "")


def run_end(text: str, found: re.Match[str]) -> int:
    """Where a run of one emoji ends: it is named once."""
    end, width = found.end(), len(found[0])
    while text.startswith(found[0], end):
        end += width
    return end


@lru_cache(maxsize=65_536)
def symbol_name(language: str, char: str) -> str:
    """What a character is called; "" where neither the tables nor Unicode name it in that language."""
    known = symbol_names(language).get(char) or emoji_names(language).get(char)
    if known or language != "en":
        return known or ""
    return greek_name(char) or _unicode_name(char)


def greek_name(char: str) -> str:
    """The name of a Greek letter in English; "" for any other character."""
    match = _GREEK.match(unicodedata.name(unicodedata.normalize("NFD", char)[0], ""))
    return match[1].lower().replace("lamda", "lambda") if match is not None else ""


def _unicode_name(char: str) -> str:
    if unicodedata.category(char)[0] not in "SPN":
        return ""
    name = _NOISE.sub("", unicodedata.name(char, "").lower()).replace("-", " ")
    return re.sub(r"\s+", " ", name).strip() if not any(map(str.isdigit, name)) else ""
