"""Numbers, units, money, dates, addresses and symbols in words, in English or Chinese.

Guarantees that no ASCII digit is left, whatever the text, and that it takes time linear in the text. The words are
those of wetext, the rules of the WeTextProcessing project. It is given a few words at a time, which bounds what it can
misread, and no character that its own notation uses: over a quote without its fellow it loops for ever.

Deliberately knows neither which characters a model can read nor where the text comes from.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from .rewriting import Language, rewritten, symbols_named

if TYPE_CHECKING:
    from wetext import Normalizer

CHINESE = "\u4e00-\u9fff"
_MOST_WORDS, _MOST_CHARS = 12, 24
"""English words at once, and characters of a word or of Chinese: the longer a text, the longer for each character."""

_ABBREVIATION = r"(?<![A-Za-z])(?:[A-Z][a-z]{1,4}\.|Mrs?(?![A-Za-z]))"
_MAY_NEED = re.compile(rf"[^{CHINESE}A-Za-z，。、,.!?;:()\"\s]|{_ABBREVIATION}|(?<![A-Za-z.])[A-Za-z]\.[ A-Za-z]")

_CHINESE_CHUNK = re.compile(rf"((?<!\S)[^\s{CHINESE}]*+[{CHINESE}]\S*+)")
_UNSAFE_ENGLISH = re.compile(r"([^A-Za-z0-9 .,:$£€¥%°/'-]+)")
_NEEDS_ENGLISH = re.compile(rf"[0-9$£€¥%°]|{_ABBREVIATION}")
_WORD = re.compile(rf"[A-Za-z']+(?!\S)|\S{{1,{_MOST_CHARS}}}")
_BITS = re.compile(r"[0-9]+(?:\.[0-9]+)?|[A-Za-z']+|.")

_CHINESE_TOKEN = re.compile(
    rf"(?P<word>[A-Za-z]+)|[{CHINESE}]|°[CF](?![A-Za-z])|°|[0-9 .,:$£€¥%&+=@#/~×÷-]{{1,{_MOST_CHARS}}}|(?P<unsafe>.)",
    re.DOTALL,
)
_AFTER_NUMBER = re.compile(r"[0-9] ?(?:[A-Za-z]{1,3}/)?$")

_DIGITS: dict[Language, Sequence[str]] = {
    "en": (" zero ", " one ", " two ", " three ", " four ", " five ", " six ", " seven ", " eight ", " nine "),
    "zh": "零一二三四五六七八九",
}


_ONE_AT_A_TIME = threading.Lock()
"""Nothing is said of threads by the library of the rules."""


def in_words(text: str, language: Language) -> str:
    """The text with everything that is not letters and marks in words.

    `language` is that of numbers and symbols which stand apart; by a Chinese character they are always Chinese.
    """
    if not _MAY_NEED.search(text):
        return text
    if language == "zh":
        return _part_in_words(text, "zh")
    parts = enumerate(_CHINESE_CHUNK.split(text))
    return "".join(_part_in_words(part, "zh" if number % 2 else "en") for number, part in parts)


def _part_in_words(part: str, language: Language) -> str:
    read = _chinese if language == "zh" else _english
    return _spelled(symbols_named(read(rewritten(part, language)), language), language)


def _english(text: str) -> str:
    parts = enumerate(_UNSAFE_ENGLISH.split(text))
    return "".join(part if number % 2 else _english_part(part) for number, part in parts)


def _english_part(part: str) -> str:
    """Words that need reading are read with their neighbours: units, months, "million"."""
    if not _NEEDS_ENGLISH.search(part):
        return part
    words = _WORD.findall(part)
    needed = [bool(_NEEDS_ENGLISH.search(word)) for word in words]
    is_near = [
        any(needed[max(0, place - 1) : place + 2]) and len(word) <= _MOST_CHARS for place, word in enumerate(words)
    ]
    said: list[str] = []
    for is_read, group in groupby(range(len(words)), key=lambda place: is_near[place]):
        places = list(group)
        for first in range(0, len(places), _MOST_WORDS):
            some = [words[place] for place in places[first : first + _MOST_WORDS]]
            said += _read(some) if is_read else some
    return _between(part, " ".join(said))


def _read(words: Sequence[str]) -> Iterator[str]:
    """The words read together, or in halves where the rules find no reading of the whole."""
    whole = _ruled(" ".join(words), "en")
    if whole is not None:
        yield whole.replace("o'clock", "o clock")
    elif len(words) > 1:
        half = len(words) // 2
        yield from _read(words[:half])
        yield from _read(words[half:])
    else:
        for bit in _BITS.findall(words[0]):
            yield _ruled(bit, "en") or bit


def _chinese(text: str) -> str:
    """What lies between foreign words is read together; a foreign word that is a unit stays with its number."""
    said: list[str] = []
    waiting: list[str] = []
    for match in _CHINESE_TOKEN.finditer(text):
        token = match[0]
        is_apart = match["unsafe"] is not None
        if match["word"]:
            is_apart = not (_AFTER_NUMBER.search("".join(waiting[-3:])) and _is_unit(token))
        if is_apart or _is_enough(waiting):
            said.append(_chinese_part("".join(waiting)))
            waiting.clear()
        (said if is_apart else waiting).append(token)
    return "".join(said) + _chinese_part("".join(waiting))


def _is_enough(waiting: Sequence[str]) -> bool:
    """Whether to read what waits: not behind a number, whose unit may follow, unless it is far too long."""
    num_chars = sum(map(len, waiting))
    return num_chars >= 2 * _MOST_CHARS or (num_chars >= _MOST_CHARS and CHINESE[0] <= waiting[-1] <= CHINESE[-1])


def _chinese_part(part: str) -> str:
    if not re.search("[0-9]", part):
        return part
    said = _ruled(part, "zh")
    return part if said is None else _between(part, said)


@lru_cache(maxsize=4_096)
def _is_unit(word: str) -> bool:
    """Whether the rules read all of a word behind a number; of "viii" they read the first letter, as volts."""
    if len(word) > 4:
        return False
    said = _ruled(f"1:30{word}" if word.lower() in ("am", "pm") else f"1{word}", "zh")
    return said is not None and not re.search("[A-Za-z]", said)


def _between(part: str, said: str) -> str:
    """With the white space that the part had around it."""
    lead, trail = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{lead}{said}{trail}"


def _spelled(text: str, language: Language) -> str:
    """Digits that the rules have left, each by itself."""
    return text.translate({ord(str(digit)): word for digit, word in enumerate(_DIGITS[language])})


def _ruled(text: str, language: Language) -> str | None:
    """What the rules make of a text of safe characters; None where they do not apply."""
    try:
        with _ONE_AT_A_TIME:
            return str(_rules(language).normalize(text)) or None
    except AssertionError:  # how they say so
        return None


@cache
def _rules(language: Language) -> Normalizer:
    """The rules of a language, loaded once: half a second, and some thirty megabytes for all languages together."""
    from wetext import Normalizer

    return Normalizer(lang=language, operator="tn")
