"""What begins with a digit, or with a sign before one, in English: the forms of numbers, the most particular first.

Guaranteed: every digit is read. Each rule reads what begins at `start` and says where it ends, or declines with None;
`read_numeric` asks them in order, and the last ones decline nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .codes import PHONE, phone_words, read_phone, read_version
from .counts import read_fraction, read_ordinal, read_plural, read_ratio, read_record, read_scale
from .dates import clock_time, decade, named_date, numeric_date
from .measures import read_duration, read_feet
from .money import money_in_front
from .numbers import SPACE, VULGAR, Found
from .quantities import read_quantity
from .standards import read_standard

_SIGNS = {
    "+": "plus",
    "±": "plus or minus",
    "~": "about",
    "∼": "about",
    "≈": "approximately",
    "−": "minus",
    "-": "minus",
    "–": "minus",
}
_SIGNED = re.compile(rf"(?P<sign>[-−–+±~∼≈]|\+/-|\+-)(?P<gap>{SPACE}?)(?=[$€£¥₹]?\.?[\d{VULGAR}])")


def read_numeric(text: str, start: int, *, is_day_first: bool) -> Found | None:
    """What stands at `start`, with its kind, its words and its end; None where no number does."""
    if text[start] in "-−–+±~∼≈":
        return _signed(text, start, is_day_first=is_day_first)
    found = read_phone(text, start)
    if found is not None:
        return found
    dated = numeric_date(text, start, is_day_first=is_day_first)
    if dated is not None:
        return "date", *dated
    for kind, rule in _RULES:
        read = rule(text, start)
        if read is not None:
            return kind, *read
    return read_quantity(text, start)


def _signed(text: str, start: int, *, is_day_first: bool) -> Found | None:
    """A number with a sign before it; a hyphen behind a word or number is no sign."""
    if text[start] == "+":
        match = PHONE.match(text, start)
        if match is not None:
            return "phone", f"plus {phone_words(match[0][1:])}", match.end()
    match = _SIGNED.match(text, start)
    if match is None or (start and (text[start - 1].isalnum() or text[start - 1] in ".,)%")):
        return None
    sign = match["sign"]
    if match["gap"] and (sign in "-–" or (sign in "≈∼−+" and start)):
        return None
    amount = money_in_front(text, start)
    if amount is not None:
        return "money", amount.words, amount.end
    rest = read_numeric(text, match.end(), is_day_first=is_day_first)
    if rest is None:
        return None
    word = "plus or minus" if sign in ("+/-", "+-") else _SIGNS[sign]
    return rest[0], f"{word} {rest[1]}", rest[2]


_RULES: tuple[tuple[str, Callable[[str, int], tuple[str, int] | None]], ...] = (
    ("code", read_standard),
    ("version", read_version),
    ("ratio", read_scale),
    ("score", read_record),
    ("time", clock_time),
    ("duration", read_duration),
    ("unit", read_feet),
    ("ratio", read_ratio),
    ("date", named_date),
    ("fraction", read_fraction),
    ("number", read_plural),
    ("year", decade),
    ("ordinal", read_ordinal),
)
