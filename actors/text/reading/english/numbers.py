"""The number at a place of an English text, as a value with its words: grouped, with a point, with a scale.

Guaranteed: what is taken for one number is read whole: "1,234.5", "10 000", "3.4 trillion", "1.5m" before a noun.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .numerals import DIGITS, cardinal, decimal, fraction, spelled

SPACE = "[ \u00a0\u202f\u2009]"
NUMBER = re.compile(
    rf"(?P<grouped>[1-9]\d{{0,2}}(?:,\d{{3}})+(?!\d)|[1-9]\d{{0,2}}(?:'\d{{3}})+(?![\d'])|[1-9]\d?(?:,\d{{2}})+,\d{{3}}(?!\d|,\d)|[1-9]\d{{0,2}}(?:{SPACE}\d{{3}})+(?![\d]|{SPACE}\d|[-/:]\d)|\d+|(?=\.\d))"
    r"(?:\.(?P<part>\d+)(?!\.\d))?"
)
_EUROPEAN = re.compile(
    r"(?P<whole>0|[1-9]\d{0,2}(?:\.\d{3})*|[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})+),(?P<part>\d{1,2})(?!\d|,\d)"
)
_EUROPEAN_WHOLE = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?![\d.,]\d|\d)")
_VULGAR = {
    "½": ("1", "2"), "⅓": ("1", "3"), "⅔": ("2", "3"), "¼": ("1", "4"), "¾": ("3", "4"), "⅕": ("1", "5"),
    "⅖": ("2", "5"), "⅗": ("3", "5"), "⅘": ("4", "5"), "⅙": ("1", "6"), "⅚": ("5", "6"), "⅐": ("1", "7"),
    "⅛": ("1", "8"), "⅜": ("3", "8"), "⅝": ("5", "8"), "⅞": ("7", "8"), "⅑": ("1", "9"), "⅒": ("1", "10"),
}  # fmt: skip
VULGAR = "".join(_VULGAR)
_MIXED = re.compile(
    rf"(?P<whole>\d+)?{SPACE}?(?P<char>[{VULGAR}])|(?P<int>\d+)[ -](?P<over>\d{{1,2}})[/⁄](?P<under>\d{{1,3}})(?![\d/])"
)
_SCALE = re.compile(
    rf"(?:{SPACE}?|-)(?:(?P<word>hundred|thousand|million|billion|trillion|quadrillion|lakhs?|crores?)\b|(?<!-)(?P<short>[kK]|mn|mm|bn|tn|trn|MM|M|Mn|Bn|B|T|m|b|t|mil|mill|(?:mio|Mio|mrd|Mrd)(?:\.(?= ?[€$£]))?|bln|mln)(?![\w%]|[²³]|/(?!(?:yr|year|mo|month|wk|week|day|hr|hour|person)\b)[a-z]))"
)
_SHORT = {"k": "thousand", "m": "million", "mn": "million", "mm": "million", "mil": "million", "mill": "million"} | {
    "mio": "million", "mrd": "billion", "mln": "million", "b": "billion", "bn": "billion", "bln": "billion", "t": "trillion",
    "tn": "trillion", "trn": "trillion",
}  # fmt: skip
_COUNTED = re.compile(
    r" (?:[a-z]+ ){0,1}(?:[a-z]{2,}s|people|men|women|children|of)\b"
    r"| (?:died|dead|perished|starved|voted|watched|live|lived|fled|viewed|tuned|signed|subscribed)\b"
)
MINUSES = "-−–"
YEAR = re.compile(r"1[0-9]\d\d|20\d\d")
Found = tuple[str, str, int]
"""What a rule reads: its kind, its words, its end in the text."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a text: its words and where it ends.

    Attributes:
        whole, part: Its digits before and behind the point, "" for none
        is_plain: Whether it is digits and nothing else
    """

    words: str
    end: int
    whole: str = ""
    part: str = ""
    is_plain: bool = False

    @property
    def is_one(self) -> bool:
        """Whether what is counted is named in the singular."""
        return (self.whole == "1" and not self.part) or (
            not self.whole  # less than one, as a fraction
        )


def read_number(text: str, start: int, *, is_european: bool = False) -> Number | None:
    """The number that begins at `start`, without a sign or a unit; None where none does.

    Args:
        is_european: A comma may be the decimal sign, and full stops group, as where a unit or currency follows
    """
    mixed = _MIXED.match(text, start)
    if mixed is not None:
        return _mixed(mixed)
    if is_european:
        match = _EUROPEAN.match(text, start)
        if match is not None:
            whole = re.sub(r"\D", "", match["whole"])
            return Number(decimal(whole, match["part"]), match.end(), whole, match["part"])
        match = _EUROPEAN_WHOLE.match(text, start)
        if match is not None:
            whole = match[0].replace(".", "")
            return Number(cardinal(whole), match.end(), whole)
    match = NUMBER.match(text, start)
    if match is None or match.end() == start:
        return None
    raw, part = match["grouped"], match["part"] or ""
    whole = re.sub(r"\D", "", raw)
    if len(whole) > 1 and whole[0] == "0" and not part:
        return Number(spelled(whole), match.end(), whole, "", is_plain=True)
    words = decimal(whole, part)
    return Number(words, match.end(), whole or "0", part, is_plain=raw.isdigit() and not part)


def with_scale(text: str, number: Number, *, is_money: bool = False) -> Number:
    """The number with the "million" or "k" behind it, if there is one."""
    match = _SCALE.match(text, number.end)
    if match is None:
        return number
    word = match["word"]
    if word is None:
        short = match["short"]
        is_tight = match.end() - number.end == len(short)
        if not is_money and not _is_scale(text, match, number, is_tight=is_tight):
            return number
        word = _SHORT[short.lower().rstrip(".")]
    return Number(f"{number.words} {word}", match.end(), number.whole, number.part or " ")


def _is_scale(text: str, match: re.Match[str], number: Number, *, is_tight: bool) -> bool:
    """Whether letters behind a number that is no money count it."""
    short = match["short"].rstrip(".")
    if short in ("bn", "mn", "tn", "trn", "mln", "bln", "mio", "Mio", "mrd", "Mrd", "Bn", "Mn"):
        return True
    if not is_tight or short in ("t", "b", "T", "B", "mm", "MM", "mil", "mill"):
        return short in ("B", "MM") and is_tight and bool(number.part)
    if short == "k":
        return True
    if short in ("K", "M"):
        return len(number.whole) > 1 or bool(number.part) or _COUNTED.match(text, match.end()) is not None
    return _COUNTED.match(text, match.end()) is not None


def _mixed(match: re.Match[str]) -> Number:
    whole = match["whole"] or match["int"] or ""
    over, under = _VULGAR[match["char"]] if match["char"] else (match["over"], match["under"])
    part = fraction(over, under)
    if not whole:
        return Number(part, match.end())
    return Number(f"{cardinal(whole)} and {part}", match.end(), whole, "/")


def digits_of(text: str) -> str:
    """Every digit of a text by itself, a comma where other characters part groups."""
    groups = re.findall(r"\d+", text)
    return ", ".join(" ".join(DIGITS[digit] for digit in group) for group in groups)
