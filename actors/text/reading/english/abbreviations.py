"""English abbreviations by what stands around them, and whether their full stop ends a sentence too.

Guaranteed: one decision for both: what is read as an abbreviation and where sentences end cannot differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ..tables import read_table

_BEFORE = re.compile(r"([\w'’.]+)[ ,]{0,2}\Z")
_AFTER = re.compile(r"\s*[\"'“‘(\[]*(?P<word>[\w'’-]{0,24})(?P<dot>\.?)")
_ROMAN = re.compile(r"[IVXLC]+\b|[ivxl]+\b")
_NUMBER = re.compile(r"\s?[#(]?[$€£]?(?:\d|(?:[IVXLC]{2,}|[VX])\b|I(?=[.,;:)]|\s*\Z)|[ivxl]+\b|[A-Z]\d)")
STARTERS = frozenset(
    "a after all although an and another are as at because before both but by can could did do does during each even "
    "every everyone few finally first for from had has have he her here his how however i if in instead is it its just "
    "last later let many maybe meanwhile more most my never next no nobody not nothing now of on once one only or other "
    "our over perhaps please several she should since so some someone sometimes soon still such that the their them then "
    "there therefore these they this those though three thus to today tomorrow two under until was we well were what "
    "when where whether which while who whose why will with without would yes yesterday yet you your".split()
)


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """One reading of an abbreviation."""

    reading: str
    when: str
    ends: str


@cache
def abbreviations() -> dict[str, tuple[Abbreviation, ...]]:
    """Every abbreviation as it is written, without its full stop, with its readings."""
    known: dict[str, list[Abbreviation]] = {}
    for name, reading, when, ends in read_table("en/abbreviations"):
        entry = Abbreviation(reading, when, ends)
        known.setdefault(name, []).append(entry)
        if when in ("number", "always", "inside", "bare", "ordinal") and name[0].islower():
            capital = name[0].upper() + name[1:]
            known.setdefault(capital, []).append(entry)
            if when == "number":
                known.setdefault(name.upper(), []).append(entry)
        if when in ("name", "street", "month", "day"):
            known.setdefault(name.upper(), []).append(entry)
    return {name: tuple(dict.fromkeys(entries)) for name, entries in known.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """An abbreviation at a place of a text: its words, and whether its full stop ends the sentence."""

    words: str
    is_stop: bool


def read_abbreviation(text: str, start: int, end: int) -> Reading | None:
    """The reading of `text[start:end]`, a word whose full stop stands at `end`; None where it is a plain word."""
    name = text[start:end]
    entries = abbreviations().get(name)
    if entries is None:
        return None
    following = _AFTER.match(text, end + 1)
    word = following["word"] if following is not None else ""
    before = _BEFORE.search(text, max(0, start - 32), start)
    previous = before[1] if before is not None else ""
    for entry in sorted(entries, key=lambda e: _ORDER[e.when]):
        if entry.when != "bare" and _holds(entry, text, end, previous, word):
            return Reading(entry.reading, _is_stop(entry, text, end, word, following))
    return None


_BEFORE_DAYS = frozenset(
    "on by last next this every each until till since from to through and or or before after".split()
)
_BEFORE_MONTHS = frozenset(
    "in since until till by of from to through last next this early mid late before after during for every each and or "
    "between around".split()
)
_NAMES_TOO = frozenset(("January", "March", "April", "June", "July"))
"""Months whose short form is a name or a word too: it needs a preposition."""
_DETERMINERS = frozenset("the a an our my his her their your this that every each any".split())
_SENTENCE_BEHIND = re.compile(r"[\"'”’)\]]*\s+[\"'“‘(\[]*[A-Z][a-z]")
_ORDER = {
    "verse": -1,
    "measured": -1,
    "number": 0,
    "month": 1,
    "ordinal": 1,
    "name": 3,
    "office": 4,
    "street": 2,
    "after-name": 4,
    "day": 5,
    "inside": 6,
    "state": 1,
    "always": 6,
    "bare": 7,
}
_TITLED = re.compile(r"[A-Z][\w'’-]*\Z|[A-Z]\.\Z")


def _holds(entry: Abbreviation, text: str, end: int, previous: str, word: str) -> bool:
    is_capital = word[:1].isupper()
    if entry.when == "name":
        return is_capital
    if entry.when == "number":
        return _NUMBER.match(text, end + 1) is not None
    if entry.when == "month":
        is_beside = word[:1].isdigit() or previous.strip(",.").isdigit() or previous[-2:] in ("st", "nd", "rd", "th")
        is_behind = previous.lower() in _BEFORE_MONTHS or entry.reading not in _NAMES_TOO
        return is_beside or is_behind or word[:1].islower() or text[end + 1 : end + 2] in (",", ";", ")")
    if entry.when == "ordinal":
        return re.search(r"\d(?:st|nd|rd|th)\Z|\A[23]d\Z", previous) is not None
    if entry.when == "office":
        return previous.lower() in _DETERMINERS
    if entry.when == "measured":
        return re.search(r"\d[ -]\w+\Z", text[max(0, end - 24) : end]) is not None
    if entry.when == "verse":
        return re.match(r" ?\d+:\d", text[end + 1 : end + 8]) is not None
    if entry.when == "state":
        return (
            text[max(0, end - 16) : end].rpartition(",")[0].strip() != ""
            and re.search(r"[a-z], \w+\Z", text[max(0, end - 16) : end]) is not None
        )
    if entry.when == "inside":
        return word[:1].islower() or word[:1].isdigit() or text[end + 1 : end + 2] in (",", ";", ")")
    if entry.when == "after-name":
        return _TITLED.search(previous) is not None or previous in ("&", "and", "the", "al", "of")
    if entry.when == "street":
        is_behind = _TITLED.search(previous) is not None or re.search(r"\d(?:st|nd|rd|th)\Z", previous) is not None
        return is_behind and not (
            is_capital
            and entry.reading in ("street", "drive", "court", "place")
            and not _is_road(text, previous, word, end)
        )
    if entry.when == "day":
        return (
            previous.lower().strip(",") in _BEFORE_DAYS
            or (not is_capital and word != "")
            or (not word and previous.islower() and previous not in _DETERMINERS and entry.reading != "Sunday")
            or text[end + 1 : end + 2] in (",", "/")
        )
    return True


def _is_road(text: str, previous: str, word: str, end: int) -> bool:
    """Whether "St." between two capitalised words is the road of the first: a house number stands before that."""
    if word.lower() in STARTERS:
        return True
    head = text[max(0, end - 48) : end]
    return (
        re.search(r"\d\w*\.? (?:[A-Z][\w'’-]*\.? ){1,3}[A-Z]?\w*\Z", head) is not None
        or re.search(r"(?:^|[^.]) ?(?:on|at|along|down|near|off) (?:[A-Z][\w'’-]* ){1,3}[A-Z]?\w*\Z", head) is not None
    )


def _is_stop(entry: Abbreviation, text: str, end: int, word: str, following: re.Match[str] | None) -> bool:
    if entry.ends == "never":
        return False
    if entry.when in ("month", "ordinal") and _SENTENCE_BEHIND.match(text, end + 1) is not None:
        return True
    if entry.ends == "number":
        return not text[end + 1 :].strip()
    return may_start(text, end + 1)


def may_start(text: str, position: int) -> bool:
    """Whether a sentence may begin behind a full stop that belongs to an abbreviation: at a usual first word."""
    following = _AFTER.match(text, position)
    word = following["word"] if following is not None else ""
    if not word:
        return not text[position:].strip(" \n\t\"'”’)]»")
    is_close = text[position : position + 1] not in ("", " ", "\n", '"', "'", "”", "’", ")")
    return word[:1].isupper() and word.lower() in STARTERS and not (following and following["dot"]) and not is_close
