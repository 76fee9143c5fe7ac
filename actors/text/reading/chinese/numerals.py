"""Chinese numbers in words: cardinals with 两 before measures, digits, decimals.

Guaranteed: every string of ASCII digits has a reading.
"""

from __future__ import annotations

import re

NUMBER = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?:[,，]\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?! ?\d)|\d+)(?:\.(?P<part>\d+)(?!\.\d))?|\.(?P<only>\d+)"
)
"""The digits of a number, grouped or not, with its decimals."""
DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿", "亿亿")
_MAX_DIGITS = 4 * len(_GROUPS)


def cardinal(number: str | int, *, is_counting: bool = False) -> str:
    """A whole number: "1005" is 一千零五. is_counting: a measure word follows, so that 2 by itself is 两."""
    digits = str(number).lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS:
        return spelled(digits)
    if digits == "2" and is_counting:
        return "两"
    groups: list[str] = []
    while digits:
        groups.append(digits[-4:])
        digits = digits[:-4]
    words = ""
    is_gap = False
    for place in range(len(groups) - 1, -1, -1):
        value = int(groups[place])
        if not value:
            is_gap = bool(words)
            continue
        if words and (is_gap or value < 1000):
            words += "零"
        group = _group(value)
        if group == "二" and place:
            group = "两"
        words += group + _GROUPS[place]
        is_gap = False
    words = words or "零"
    return words[1:] if words.startswith("一十") else words


def _group(value: int) -> str:
    words, is_gap = "", False
    for place in range(3, -1, -1):
        digit = value // 10**place % 10
        if digit:
            if is_gap and words:
                words += "零"
            name = "两" if digit == 2 and place == 3 else DIGITS[digit]
            words += name + _PLACES[place]
            is_gap = False
        else:
            is_gap = True
    return words


def spelled(digits: str, *, is_phone: bool = False) -> str:
    """Each digit by itself; in numbers that are dialled, 1 is 幺."""
    words = "".join(DIGITS[int(digit)] for digit in digits)
    return words.replace("一", "幺") if is_phone else words


def decimal(whole: str, part: str, *, is_counting: bool = False) -> str:
    """A number with digits behind its point: 三点一四."""
    return f"{cardinal(whole or '0')}点{spelled(part)}" if part else cardinal(whole or "0", is_counting=is_counting)
