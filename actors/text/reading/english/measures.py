"""Quantities with marks of their own: feet and inches, angles, hours and minutes run together."""

from __future__ import annotations

import re

from .numbers import read_number
from .numerals import cardinal, decimal

_OF_SIZE = re.compile(r"(?:\b[Aa]n?|\b[Tt]he|'s|\bnew) \Z")
_FEET = re.compile(
    r"(?P<feet>\d+)\s?(?:'|′|ft\.? )\s?(?P<inches>\d+(?:\.\d+)?|\d+ \d/\d|\d*[½¼¾])\s?(?:\"|″|''|′′|in\b\.?)"
)
_INCHES = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s?(?:″|\"(?=[ ,.;)]|\Z))")
_ONLY_FEET = re.compile(
    r"(?P<number>\d+)\s?(?:′|'(?= (?:tall|wide|long|deep|high)\b| [x×] |(?<=[x×] \d')|(?<=[x×] \d\d')))"
)
_DURATION = re.compile(
    r"(?P<h>\d+) ?h(?:rs?)? ?(?P<m>\d{1,2})(?: ?m(?:ins?)?(?: ?(?P<s>\d{1,2}) ?s(?:ecs?)?)?)?(?![\w])"
)
_HEIGHT = re.compile(r"(?P<feet>[3-8])'(?P<inches>1[01]|\d)(?![\d\"'″′s])")
_ANGLE = re.compile(
    r"(?P<d>\d+(?:\.\d+)?)°\s?(?:(?P<m>\d+(?:\.\d+)?)['′]\s?)(?:(?P<s>\d+(?:\.\d+)?)(?:\"|″|'')\s?)?(?P<side>[NSEW]\b)?"
)
_BEARING = re.compile(r"(?P<d>\d+(?:\.\d+)?)°(?P<side>[NSEW])(?![\w'])")


def read_feet(text: str, start: int) -> tuple[str, int] | None:
    match = _FEET.match(text, start)
    if match is not None:
        inches = read_number(text, match.start("inches"))
        if inches is None:
            return None
        feet = "foot" if match["feet"] == "1" else "feet"
        end = match.end() - (
            text[match.end() - 1] == "."
            and re.match(r"\s*\Z|\s+[A-Z]", text[match.end() : match.end() + 3]) is not None
        )
        return f"{cardinal(match['feet'])} {feet} {inches.words} {'inch' if inches.is_one else 'inches'}", end
    match = _HEIGHT.match(text, start)
    if match is not None:
        return f"{cardinal(match['feet'])} foot {cardinal(match['inches'])}", match.end()
    match = _ANGLE.match(text, start)
    if match is not None:
        parts = ((match["d"], "degree"), (match["m"], "minute"), (match["s"], "second"))
        words = " ".join(
            f"{decimal(*([*n.split('.'), ''])[:2])} {name}{'' if n == '1' else 's'}" for n, name in parts if n
        )
        sides = {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}
        return words + sides[match["side"]], match.end()
    match = _BEARING.match(text, start)
    if match is not None:
        number = decimal(*([*match["d"].split("."), ""])[:2])
        sides = {"N": "north", "S": "south", "E": "east", "W": "west"}
        return f"{number} {'degree' if match['d'] == '1' else 'degrees'} {sides[match['side']]}", match.end()
    match = _INCHES.match(text, start)
    if match is not None and ("″" in match[0] or not is_quoted(text, start)):
        is_size = _OF_SIZE.search(text, max(0, start - 5), start) and re.match(r" [A-Za-z]", text[match.end() :][:2])
        name = "inch" if match["number"] == "1" or is_size else "inches"
        return f"{decimal(*([*match['number'].split('.'), ''])[:2])} {name}", match.end()
    match = _ONLY_FEET.match(text, start)
    if match is not None:
        return f"{cardinal(match['number'])} feet", match.end()
    return None


def is_quoted(text: str, start: int) -> bool:
    """Whether a quotation is open, so that a mark behind a number ends it."""
    head = text[max(0, start - 400) : start]
    return len(re.findall(r'(?:^|[\s(])"', head)) > len(re.findall(r'(?<=[^\W\d]|[.,!?])"', head))


def read_duration(text: str, start: int) -> tuple[str, int] | None:
    """Hours, minutes and seconds run together: "2h 30m", "1h45", "5m 30s"."""
    match = _DURATION.match(text, start)
    if match is None:
        return None
    hours, minutes, seconds = match["h"], match["m"], match["s"]
    if re.fullmatch(r"\d{1,2}h\d\d", match[0]) and re.search(
        r"\b(?:at|by|until|till|before|after|from) \Z", text[max(0, start - 8) : start]
    ):
        return f"{cardinal(hours)} {cardinal(minutes)}", match.end()
    parts = ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " ".join(f"{cardinal(n)} {name}{'' if int(n) == 1 else 's'}" for n, name in parts if n), match.end()
