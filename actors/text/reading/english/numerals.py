"""English numbers in words: cardinals, ordinals, years, digits, fractions, Roman numerals.

Guaranteed: every string of ASCII digits has a reading in each form that takes it. Words are separated by single spaces.
"""

from __future__ import annotations

import re

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = (
    "",
    *(
        "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion"
    ).split(),
)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MAX_DIGITS = 3 * len(_SCALES)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_CANONICAL = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")

DIGITS = dict(zip("0123456789", _UNITS, strict=False))
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺₀₁₂₃₄₅₆₇₈₉", "0123456789-+0123456789")


def cardinal(number: str | int) -> str:
    """A whole number, such as "1204": "one thousand two hundred four". More digits than have a name are said singly."""
    digits = str(number).lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS:
        return spelled(digits)
    if len(digits) <= 3:
        return _below_thousand(int(digits)) or "zero"
    words: list[str] = []
    groups = len(digits) // 3 + 1
    padded = digits.rjust(groups * 3, "0")
    for place in range(groups):
        value = int(padded[3 * place : 3 * place + 3])
        if value:
            words.append(_below_thousand(value))
            if scale := _SCALES[groups - 1 - place]:
                words.append(scale)
    return " ".join(words)


def _below_thousand(value: int) -> str:
    if value < 20:
        return _UNITS[value] if value else ""
    if value < 100:
        return f"{_TENS[value // 10]} {_UNITS[value % 10]}" if value % 10 else _TENS[value // 10]
    rest = value % 100
    return f"{_UNITS[value // 100]} hundred {_below_thousand(rest)}" if rest else f"{_UNITS[value // 100]} hundred"


def decimal(whole: str, part: str) -> str:
    """A number with digits behind its point: "3", "14" is "three point one four"; "" is a zero."""
    return f"{cardinal(whole or '0')} point {spelled(part)}" if part else cardinal(whole or "0")


def spelled(digits: str) -> str:
    """Each digit by itself."""
    return " ".join(DIGITS[digit] for digit in digits)


def ordinal(number: str | int) -> str:
    """The ordinal: "21" is "twenty first"."""
    head, _, last = cardinal(number).rpartition(" ")
    last = _ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head} {last}".strip()


def year(number: str | int) -> str:
    """A year: "1984" is "nineteen eighty four", "2005" is "two thousand five", "1900" is "nineteen hundred"."""
    value = int(number)
    if not 1000 <= value <= 9999 or value % 1000 < 10:
        return cardinal(value)
    century, rest = divmod(value, 100)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} oh {_UNITS[rest]}" if rest < 10 else f"{cardinal(century)} {cardinal(rest)}"


def pairs(digits: str) -> str:
    """A number of a house, a road or a flight: "1205" is "twelve oh five", "221" is "two twenty one"."""
    if len(digits) < 3 or len(digits) > 4 or digits[0] == "0":
        return spelled(digits) if digits[0] == "0" or len(digits) > 4 else cardinal(digits)
    head, tail = digits[:-2], int(digits[-2:])
    if digits[1:] in ("00", "000"):
        return cardinal(digits)
    if tail == 0:
        return f"{cardinal(head)} hundred"
    return f"{cardinal(head)} oh {_UNITS[tail]}" if tail < 10 else f"{cardinal(head)} {cardinal(tail)}"


def fraction(over: str, under: str) -> str:
    """A part: "3", "4" is "three quarters"."""
    numerator, denominator = int(over), int(under)
    if not 1 < denominator <= 1_000 or numerator > 1_000:
        return f"{cardinal(over)} over {cardinal(under)}"
    if denominator == 2:
        part = "half" if numerator == 1 else "halves"
    elif denominator == 4:
        part = "quarter" if numerator == 1 else "quarters"
    else:
        part = ordinal(denominator).removeprefix("one ") + ("" if numerator == 1 else "s")
    return f"{cardinal(numerator)} {part}"


def plural(words: str) -> str:
    """Tens in the plural: "ninety" is "nineties"."""
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}es" if words.endswith("x") else f"{words}s"


def roman(letters: str) -> int | None:
    """The value of a Roman numeral in its usual form; None for other letters."""
    low = letters.lower()
    if not low or not _CANONICAL.fullmatch(low):
        return None
    values = [_ROMAN[letter] for letter in low]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def power_words(sign: str, digits: str) -> str:
    """An exponent: "squared", "cubed", "to the power of eight"."""
    digits = digits.translate(_SUPERSCRIPTS)
    is_negative = sign in ("-", "−", "⁻") and bool(sign)
    if not is_negative and digits in ("2", "3"):
        return "squared" if digits == "2" else "cubed"
    return f"to the power of {'minus ' if is_negative else ''}{cardinal(digits)}"
