"""English units, behind a number: "km/h", "m²", "sq ft", "°C".

Guaranteed: a unit is read only where all its letters are one that the table has, alone or over another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from ..tables import read_table
from .roads import is_compass

PREFIXES = {
    "f": "femto",
    "p": "pico",
    "n": "nano",
    "µ": "micro",
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "K": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
    "P": "peta",
    "E": "exa",
}
_LETTERS = r"A-Za-zµΩΩÅℓ°º℃℉%‰‱"
_UNIT = re.compile(
    rf"(?P<gap>[ \u00a0\u202f\u2009]?-?)(?P<area>(?:sq|cu|fl)(?:\. ?| ))?(?P<symbol>° ?[CF](?![A-Za-z'])|°[KR](?![A-Za-z])|[%‰‱°º](?![A-Za-z])|[{_LETTERS}]+)"
    rf"(?P<power>[²³⁴]|\^?[234](?![\w²³]|[.,]\d))?"
    rf"(?:(?P<inverse>[ ·]?(?P<per>[A-Za-z]+)?⁻(?P<per_power>[¹²³]))|(?P<over>/|·|⋅| ?per )(?P<under>[A-Za-zµ]+)(?P<under_power>[²³]|\^?[23](?!\w))?)?(?![A-Za-z0-9])"
)
_AGAIN = re.compile(r"/(?P<last>day|d|h|hr|min|week|wk|s)(?!\w)")
_CUPS = re.compile(r" c\.(?= (?:of\b|[a-z]{3,}))")
_SMALLER = {"pound": "oz", "foot": "in", "hour": "mins?", "minute": "secs?"}
"""By the name of a unit, the symbols of the next smaller one, as in "5 ft. 3 in."."""
_SIZES = re.compile(
    r"\.?(?= (?:wide|long|tall|deep|high|thick|across|apart|by|x|×|of|per|pipes?|screens?|thinner|bigger|longer)\b"
    r"|[;:!?)]|\.? ?=|,? (?:and|or|to) \d|\.?\Z|\. [A-Z])"
)
_POWERS = {"²": "square", "³": "cubic", "2": "square", "3": "cubic", "⁴": "quartic", "4": "quartic"}
_AFTER = {"square": "squared", "cubic": "cubed", "quartic": "to the fourth"}
_UNDER = {
    "s": "second",
    "sec": "second",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "day": "day",
    "wk": "week",
    "week": "week",
    "mo": "month", "month": "month", "yr": "year", "year": "year", "y": "year", "a": "year", "min": "minute",
    **{word: word for word in "hour minute second person head pound piece mile night unit item page serving".split()},
    "in": "inch", "pc": "piece", "ea": "each", "pp": "person", "gal": "gallon",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by its names; `when` is where its symbol stands for it (see the table)."""

    one: str
    other: str
    when: str = ""


@cache
def units() -> dict[str, Unit]:
    """Every symbol of the table, with its prefixes."""
    known: dict[str, Unit] = {}
    for symbols, one, other, prefixes, when in read_table("en/units"):
        for symbol in symbols.split():
            if when != "prefixed":
                known.setdefault(symbol, Unit(one, other, when))
            for prefix in prefixes.split():
                name = PREFIXES[prefix]
                known.setdefault(f"{prefix}{symbol}", Unit(f"{name}{one}", f"{name}{other}"))
    return known


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit as it stands in a text: its names, and where it ends."""

    one: str
    other: str
    end: int
    is_joined: bool

    def words(self, *, is_one: bool) -> str:
        """The name for one of it, or for more."""
        return self.one if is_one or self.is_joined else self.other


def read_unit(text: str, start: int) -> Measure | None:
    """The unit that begins at `start`, right behind a number, with the space or hyphen before it; None for none."""
    if text.startswith(" c.", start) and (cups := _CUPS.match(text, start)) is not None:
        return Measure("cup", "cups", cups.end(), is_joined=False)
    match = _UNIT.match(text, start)
    if match is None:
        return None
    gap, symbol, under = match["gap"], match["symbol"], match["under"]
    named = _named(
        symbol, match["area"] or "", match["power"] or "", under or "", match["under_power"] or "", match["over"] or ""
    )
    end = match.end()
    if match["inverse"]:
        end = match.end()
        below = match["per"] or symbol
        power = {"¹": "", "²": "²", "³": "³"}[match["per_power"]]
        named = _named(symbol, "", match["power"] or "", below, power, "/")
        if named is not None and match["per"] is None:
            named = Unit(*(f"per {named.one.partition(' per ')[2]}",) * 2)
    if named is None and (under or match["power"]) and match["over"] != " per ":
        # The unit alone, where what follows is none of it.
        end = match.end("symbol")
        named = _named(symbol, match["area"] or "", "", "", "", "") if text[end : end + 1] in "/·⋅" else None
    if named is None or not _stands(text, named, gap, symbol, end):
        return None
    if (
        text[end : end + 1] == "."
        and (re.match(r"\. ?[a-z,;@&=]", text[end : end + 4]) or _goes_on(text, end, named))
        and text[end - 1].isalpha()
        and not text[end - 1].isupper()
    ):
        end += 1  # an abbreviation's
    again = _AGAIN.match(text, end) if under and match["over"] == "/" else None
    if again is not None and again["last"] in _UNDER:
        last = _UNDER[again["last"]]
        return Measure(f"{named.one} per {last}", f"{named.other} per {last}", again.end(), is_joined="-" in gap)
    return Measure(named.one, named.other, end, is_joined="-" in gap)


def _goes_on(text: str, end: int, unit: Unit) -> bool:
    """Whether behind the full stop of a unit that ends at `end` a number of the next smaller one follows."""
    smaller = _SMALLER.get(unit.one)
    return smaller is not None and re.match(rf"\. \d{{1,2}} ?(?:{smaller})\b", text[end : end + 12]) is not None


def _stands(text: str, unit: Unit, gap: str, symbol: str, end: int) -> bool:
    is_spaced = gap.endswith((" ", "\u00a0", "\u202f", "\u2009"))
    if symbol in ("N", "S", "W") and is_spaced and is_compass(text, end):
        return False
    if "-" in gap and symbol == "in" and text[end : end + 1] == "-":
        return False  # "3-in-1"
    if "-" in gap and ((len(symbol) < 2 and symbol not in "gmWV") or unit.when == "space"):
        return False
    if unit.when == "tight":
        return not is_spaced and not gap
    if unit.when == "space":
        return is_spaced
    if unit.when == "size":
        return "-" in gap or not is_spaced or _SIZES.match(text, end) is not None
    if is_spaced and symbol in ("A", "V", "N", "J"):  # a letter by itself may begin what follows
        return re.match(r"(?=[.,;:!?)]|\Z| (?!(?:[A-Z]|and \w\b)))", text[end : end + 8]) is not None
    return True


@lru_cache(maxsize=4_096)
def _named(symbol: str, area: str, power: str, under: str, under_power: str, over: str) -> Unit | None:
    symbol = symbol.replace("μ", "µ").replace(" ", "")
    known = units().get(symbol)
    if known is None:
        return None
    one, other = known.one, known.other
    kind = _POWERS.get(power.removeprefix("^")) or {"s": "square", "c": "cubic", "f": "fluid"}.get(area[:1].lower())
    if kind:
        if area[:1].lower() == "f":
            return Unit(f"fluid {one}", f"fluid {other}") if one == "ounce" and not under else None
        if not re.search(r"meter|liter|foot|inch|yard|mile|acre|second", one):
            return None
        one, other = (f"{one} squared", f"{other} squared") if "second" in one else (f"{kind} {one}", f"{kind} {other}")
    if not under:
        return Unit(one, other, known.when if not kind else "")
    below = _UNDER.get(under) or (units()[under].one if under in units() else None)
    if below is None:
        return None
    squared = _POWERS.get(under_power.removeprefix("^"))
    if squared:
        below = f"{squared} {below}" if re.search(r"meter|foot|inch|yard|mile", below) else f"{below} {_AFTER[squared]}"
    joint = " " if over in "·⋅" else " per "
    if joint == " ":
        return Unit(f"{one} {below}", f"{one} {below}s")
    return Unit(f"{one}{joint}{below}", f"{other}{joint}{below}")
