"""Numbers in English that have a name of their own: retirement plans, radio standards, preprints, hexadecimal numbers.

Guaranteed: each rule reads what begins at `start` and says where it ends, or declines with None.
"""

from __future__ import annotations

import re

from .numerals import cardinal, spelled

_PLAN = re.compile(
    r"(?P<number>401|403|457|501|529)(?:(?P<tight>(?<=401)[kK]|(?<=403)[bB]|(?<=457)[bB])(?!\w)|(?P<parts>\([a-z]\)(?:\(\d{1,2}\))?))"
)
_NAMES = {
    "401": "four oh one",
    "403": "four oh three",
    "457": "four fifty seven",
    "501": "five oh one",
    "529": "five twenty nine",
}
_RADIO = re.compile(r"802\.(?P<part>\d{1,2})(?P<letters>[a-z]{0,2}|[XQ])(?!\w|\.\d)")
_PREPRINT = re.compile(r"\d{4}\.\d{4,5}(?!\d)")
_HEX = re.compile(r"0(?P<base>[xX])(?P<digits>[0-9A-Fa-f]{1,32})(?!\w)|0(?P<two>[bB])(?P<bits>[01]{2,64})(?!\w)")
_UNDERSCORED = re.compile(r"[1-9]\d{0,2}(?:_\d{3}){1,8}(?![\w])")
_ZONE = re.compile(r"(?P<zone>UTC|GMT) ?(?P<sign>[-+−–])(?P<hour>1[0-4]|0?\d)(?::?(?P<minute>[0-5]\d))?(?!\w|[-–:.]\d)")
_SERIAL = re.compile(r"\d{4}-\d{3}[\dXx](?!\w)")
_SERIAL_BEFORE = re.compile(r"\be?ISSN:? \Z")
_PIECES = re.compile(r"[A-Za-z]|\d+")


def read_standard(text: str, start: int) -> tuple[str, int] | None:
    """A number that is a name, such as "401(k)", "802.11ac", "arXiv:2106.09685", "0x1F", "1_000"."""
    char = text[start]
    if char in "45" and (plan := _PLAN.match(text, start)) is not None:
        parts = _PIECES.findall(plan["tight"] or plan["parts"])
        words = [cardinal(part) if part.isdigit() else part.upper() for part in parts]
        return " ".join([_NAMES[plan["number"]], *words]), plan.end()
    is_radio = text.startswith("802.11", start) or text.endswith("IEEE ", 0, start)
    if char == "8" and is_radio and (radio := _RADIO.match(text, start)) is not None:
        letters = " ".join(["", *radio["letters"].upper()])
        return f"eight oh two point {cardinal(radio['part'])}{letters}", radio.end()
    if char == "0" and (code := _HEX.match(text, start)) is not None:
        base = (code["base"] or code["two"]).upper()
        digits = " ".join(spelled(d) if d.isdigit() else d.upper() for d in code["digits"] or code["bits"])
        return f"zero {base} {digits}", code.end()
    if text[start - 6 : start].lower() == "arxiv:" and (paper := _PREPRINT.match(text, start)) is not None:
        return " point ".join(map(spelled, paper[0].split("."))), paper.end()
    if _SERIAL_BEFORE.search(text, max(0, start - 8), start) and (serial := _SERIAL.match(text, start)) is not None:
        groups = serial[0].split("-")
        return ", ".join(" ".join(spelled(c) if c.isdigit() else c.upper() for c in g) for g in groups), serial.end()
    grouped = _UNDERSCORED.match(text, start) if "_" in text[start + 1 : start + 4] else None
    return (cardinal(grouped[0].replace("_", "")), grouped.end()) if grouped is not None else None


def read_zone(text: str, start: int) -> tuple[str, int] | None:
    """A zone of time by its distance from Greenwich: "UTC-5", "GMT+05:30"."""
    match = _ZONE.match(text, start) if text[start] in "UG" else None
    if match is None:
        return None
    return f"{' '.join(match['zone'])} {offset_words(match['sign'], match['hour'], match['minute'])}", match.end()


def offset_words(sign: str, hour: str, minute: str | None) -> str:
    """Hours ahead of Greenwich, or behind."""
    words = f"{'plus' if sign == '+' else 'minus'} {cardinal(hour)}"
    return f"{words} {cardinal(minute)}" if minute and minute != "00" else words
