"""A number with what belongs to it: a scale, a unit, a currency, an exponent, a second number."""

from __future__ import annotations

import re

from .codes import read_digits
from .counts import TIMED_AFTER
from .money import money_behind
from .numbers import MINUSES, SPACE, VULGAR, YEAR, Found, Number, digits_of, read_number, with_scale
from .numerals import cardinal, decimal, pairs, power_words, year
from .units import read_unit

_BASIS = re.compile(
    r"\b(?:rates?|rose|fell|fall|cut|cuts|hiked?|by|up|down|yields?|raised?|widened|narrowed|tightened|gained|lost|added) (?:[a-z]+ )?[+−-]?\Z"
)
_RACE = re.compile(r" (?:relay|race|dash|sprint|hurdles|freestyle|butterfly|final|record|run|track)\b")
_TIMES = re.compile(
    r"[xX×](?= (?:faster|slower|more|less|bigger|larger|smaller|higher|lower|better|cheaper|longer|the|as|a|per|return|returns|growth|speed|zoom)\b)"
)
_AGED = re.compile(r"[MF](?=[,.;)]|\s(?:with|who|was|is|present(?:s|ed|ing)?|from|and|admitted)\b|\Z)")
_PERSON = re.compile(
    r"\b(?:[Pp]atient|[Pp]t\.?|[Mm]an|[Ww]oman|[Vv]ictim|[Ss]uspect|[Dd]river|[Pp]assenger|[Cc]ase|[Ss]ubject)"
    r"(?: is an?| was an?|,|:| \(|) ?\Z"
)
_IN_NAME = re.compile(
    r"\b(?:[A-Z][a-z]+|exit|seat|room|gate|class|apartment|row|platform|unit|section|grade|type|form|page|figure|channel|building|block|suite|flat|apt|at|number)\.? \Z"
)
_PER_BARE = re.compile(r" ?/ ?(?P<what>yr|year|mo|month|wk|week|day|hr|hour|person|min|minute|sec|second|night)\b")
_PER_NAMES = {"yr": "year", "mo": "month", "wk": "week", "hr": "hour", "min": "minute", "sec": "second"}
_HEAT = re.compile(r"(?<=\d\d)[FC](?![\w'])")
_HEATED = re.compile(
    r"\b(?:(?:[Pp]re)?[Hh]eat(?:ed|ing|s)?|[Bb]ak(?:e|ed|es|ing)|[Oo]vens?|[Rr]oast(?:ed|ing|s)?|[Tt]emp(?:erature)?s?|[Cc]ook(?:ed|ing|s)?|[Bb]oil(?:ed|ing|s)?|"
    r"[Ff]reez(?:e|es|ing)|[Hh]ighs?|[Ll]ows?|[Ff]evers?|[Dd]egrees)\b[^.!?]{0,30}\Z"
)
_PLACED = re.compile(
    r"\b(?:seat|gate|room|flat|apartment|apt|unit|suite|row|number|no|bus|bay|exit|stand|class|section|locker|box)s?\.? \Z",
    re.IGNORECASE,
)
_SIDE = re.compile(r" ?([NSEW])\b(?!\.\w)")
_SIDES = {"N": "north", "S": "south", "E": "east", "W": "west"}
_POWER = re.compile(
    r"\^?\s?\(?(?P<sign>[-−⁻+⁺]?)(?P<power>[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=\^)\d+|(?<=\^[-−+])\d+|(?<=\^\([-−+])\d+|(?<=\^\()\d+)\)?"
)
_EXPONENT = re.compile(r"[eE](?P<sign>[-+−]?)(?P<power>\d{1,3})(?!\w|\.\d)")
_SIZE = re.compile(
    rf"{SPACE}?[x×*](?:{SPACE}(?=\d+(?:\.\d+)?{SPACE}?(?:cm|mm|m|ft|in|px|inch|inches|feet|meters)\b)|(?=\.?[\d{VULGAR}]))"
)
_BEHIND = re.compile(r"(?P<letters>[A-Za-z]{1,3}\d*)(?![\w'])")
_TO = re.compile(rf"(?P<joint>{SPACE}?[-–—−~]{SPACE}?|\.\.\.?|…)(?=[\d.$€£{VULGAR}])")
_RATED_DECIMAL = re.compile(r"/(?P<of>5|10|20|100)(?![\d/.]\d|\d)")
_EURO = re.compile(r" ?(?:€|EUR\b|kr\b|zł|Kč)")
_BARE_COMMA = re.compile(r"(?P<whole>\d{1,3}),(?P<part>\d{1,2})(?![\d]|,\d)")
_NOUN = re.compile(r" (?!of\b|or\b|and\b|to\b|in\b|at\b|on\b|is\b|was\b|a\b|per\b|for\b|from\b|by\b|with\b)[a-z]{2,}")


def read_quantity(text: str, start: int) -> Found | None:
    """A number with what belongs to it: a scale, a unit, a currency, an exponent, a second number."""
    number = read_number(text, start)
    if number is None:
        return None
    european = read_number(text, start, is_european=True)
    if european is not None and (
        european.end > number.end or (european.words != number.words and _EURO.match(text, number.end))
    ):
        kind = _european_kind(text, european)
        if kind is not None:
            return kind
    comma = _BARE_COMMA.match(text, start)
    if comma is not None and not (start and text[start - 1] == ","):
        return "number", decimal(comma["whole"], comma["part"]), comma.end()
    rated = _RATED_DECIMAL.match(text, number.end)
    if rated is not None and number.part:
        return "rating", f"{number.words} out of {cardinal(rated['of'])}", rated.end()
    if number.is_plain:
        found = read_digits(text, start, number)
        if found is not None:
            return found
    ranged = _range(text, start, number)
    if ranged is not None:
        return ranged
    return _measured(text, start, number)


def _european_kind(text: str, number: Number) -> Found | None:
    """A number with a decimal comma, where a unit or a currency behind it proves it."""
    paid = money_behind(text, number, number.end)
    if paid is not None:
        return "money", paid.words, paid.end
    unit = read_unit(text, number.end)
    if unit is not None:
        return "unit", f"{number.words} {unit.words(is_one=number.is_one)}", unit.end
    return None


def _is_heat(text: str, start: int) -> bool:
    """Whether what stands before a number speaks of heat or cold, and of no seat or gate."""
    is_heated = _HEATED.search(text, max(0, start - 40), start) is not None
    return is_heated and _PLACED.search(text, max(0, start - 12), start) is None


def _measured(text: str, start: int, number: Number) -> Found:
    """The number with its scale, power, currency and unit."""
    power = _power(text, number)
    if power is not None:
        unit = read_unit(text, power[2])
        return power if unit is None else ("unit", f"{power[1]} {unit.other}", unit.end)
    if _AGED.match(text, number.end) and number.is_plain and _PERSON.search(text, max(0, start - 24), start):
        return "code", f"{number.words} {text[number.end]}", number.end + 1
    scaled = with_scale(text, number)
    paid = money_behind(text, scaled, number.end)
    if paid is not None:
        return "money", paid.words, paid.end
    if scaled is number:
        size = _size(text, number)
        if size is not None:
            return size
    times = _TIMES.match(text, scaled.end)
    if times is not None:
        return "size", f"{scaled.words} times", times.end()
    if number.end == scaled.end and _HEAT.match(text, number.end) and _is_heat(text, start):
        name = "Fahrenheit" if text[number.end] == "F" else "Celsius"
        return "unit", f"{number.words} degrees {name}", number.end + 1
    unit = read_unit(text, scaled.end)
    if (
        unit is not None
        and unit.end == number.end + 1
        and text[number.end].isupper()
        and _IN_NAME.search(text, max(0, start - 16), start)
    ):
        unit = None
    if unit is not None and not (number.whole in ("3", "4", "5") and text[number.end : unit.end] in ("G", "D", "K")):
        is_timed = unit.one == "second" and TIMED_AFTER.match(text, unit.end) is not None
        is_timed = is_timed or (unit.one == "meter" and _RACE.match(text, unit.end) is not None)
        is_one = scaled.is_one or is_timed or _qualifies(text, start, unit.end)
        words = f"{scaled.words} {unit.words(is_one=is_one)}"
        if text[scaled.end : unit.end].strip() == "bps" and _BASIS.search(text, max(0, start - 16), start):
            words = f"{scaled.words} basis {'point' if is_one else 'points'}"
        side = _SIDE.match(text, unit.end) if unit.one == "degree" else None
        return ("unit", words, unit.end) if side is None else ("unit", f"{words} {_SIDES[side[1]]}", side.end())
    per = _PER_BARE.match(text, scaled.end)
    if per is not None:
        return "rate", f"{scaled.words} per {_PER_NAMES.get(per['what'], per['what'])}", per.end()
    if scaled is not number:
        return "number", scaled.words, scaled.end
    behind = _BEHIND.match(text, number.end)
    if behind is not None:
        return "code", _with_letters(number, behind["letters"]), behind.end()
    factorial = re.match(r"!(?= ?(?:[=+*/×÷-]|is\b))", text[number.end : number.end + 4])
    if factorial is not None:
        return "maths", f"{number.words} factorial", number.end + 1
    return "number", number.words, number.end


def _qualifies(text: str, start: int, end: int) -> bool:
    """Whether a quantity stands before what it qualifies, as in "a 5 ft wall"."""
    before = text[max(0, start - 3) : start].lower()
    return before in ("a ", " a ", "an ") and _NOUN.match(text, end) is not None


def _with_letters(number: Number, letters: str) -> str:
    head = pairs(number.whole) if number.is_plain and len(number.whole) > 2 else number.words
    if letters.isdigit():
        return f"{head} {cardinal(letters)}"
    pieces = re.findall(r"[A-Za-z]|\d+", letters)
    return " ".join([head, *(piece.upper() if piece.isalpha() else cardinal(piece) for piece in pieces)])


def _power(text: str, number: Number) -> Found | None:
    match = _POWER.match(text, number.end)
    if match is not None and match["power"] and not (text[number.end] not in "^⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"):
        return "maths", f"{number.words} {power_words(match['sign'], match['power'])}", match.end()
    match = _EXPONENT.match(text, number.end)
    if match is not None and (match["sign"] or number.part or "E" not in match[0]):
        sign = "minus " if match["sign"] in ("-", "−") and match["sign"] else ""
        return "maths", f"{number.words} times ten to the {sign}{cardinal(match['power'])}", match.end()
    return None


def _size(text: str, number: Number) -> Found | None:
    """Numbers with a cross between them and no space: "4x4", "1920×1080"; a product where a power follows."""
    match = _SIZE.match(text, number.end)
    if match is None:
        return None
    second = read_number(text, match.end())
    if second is None or (_POWER.match(text, second.end) and text[second.end : second.end + 1] in "^⁰¹²³⁴⁵⁶⁷⁸⁹⁻"):
        return None
    if "*" in match[0] or (match[0].strip() == "×" and number.part):
        return None
    rest = _measured(text, match.end(), second)
    return "size", f"{number.words} by {rest[1]}", rest[2]


def _range(text: str, start: int, number: Number) -> Found | None:
    """Two numbers with a dash between: years, scores, quantities of one unit."""
    left_end = number.end
    left_words = number.words
    unit = read_unit(text, number.end)
    if unit is not None and _TO.match(text, unit.end):
        left_end, left_words = unit.end, f"{number.words} {unit.words(is_one=number.is_one)}"
    else:
        scaled = with_scale(text, number)
        if scaled is not number and _TO.match(text, scaled.end):
            left_end, left_words = scaled.end, scaled.words
    match = _TO.match(text, left_end)
    if match is None:
        return None
    joint, position = match["joint"], match.end()
    minus = text[position] in MINUSES
    second = read_number(text, position + minus, is_european=False)
    if second is None:
        return None
    if joint.strip() in ("-", "−") and _is_sum(text, start, second.end, is_spaced=joint != joint.strip()):
        return None
    if joint == "-" and re.match(r"-\d", text[second.end : second.end + 2]):
        return "digits", *_dashed(text, start)
    if number.is_plain and second.is_plain and YEAR.fullmatch(number.whole) and len(second.whole) in (2, 4):
        if len(second.whole) == 4 and YEAR.fullmatch(second.whole):
            return "year", f"{year(number.whole)} to {year(second.whole)}", second.end
        if len(second.whole) == 2 and int(second.whole) > int(number.whole[2:]) and read_unit(text, second.end) is None:
            words = f"oh {cardinal(second.whole[1])}" if second.whole[0] == "0" else cardinal(second.whole)
            return "year", f"{year(number.whole)} to {words}", second.end
    if number.is_plain and number.whole == second.whole == "50" and joint in ("-", "–"):
        return "fraction", "fifty fifty", second.end
    rest = _measured(text, position, second)
    return "range", f"{left_words} to {'minus ' if minus else ''}{rest[1]}", rest[2]


def _is_sum(text: str, start: int, end: int, *, is_spaced: bool) -> bool:
    """Whether numbers with a hyphen between are a difference: another sign of arithmetic stands beside them."""
    if not is_spaced:
        return re.match(r" ?=", text[end : end + 2]) is not None
    return (
        re.match(r"\s*[=+×÷*/<>]|\s+[-−]\s", text[end : end + 4]) is not None
        or re.search(r"[=+×÷*/]\s*\Z", text[max(0, start - 3) : start]) is not None
    )


def _dashed(text: str, start: int) -> tuple[str, int]:
    match = re.compile(r"\d+(?:-\d+)+").match(text, start)
    assert match is not None
    groups = match[0].split("-")
    if len(groups) == 3 and all(len(group) < 3 and (len(group) == 1 or group[0] != "0") for group in groups):
        return ", ".join(map(cardinal, groups)), match.end()  # a record of games, a count, a recipe of fertilizer
    return digits_of(match[0]), match.end()
