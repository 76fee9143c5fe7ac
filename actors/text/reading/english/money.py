"""English money: the sign before or behind the number, magnitudes, hundredths, ranges, and what it is paid for.

Guaranteed: an amount keeps its currency, its sign and its hundredths; a comma behind it that begins another word is no
part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ..tables import read_table
from .numbers import MINUSES, Number, read_number, with_scale
from .numerals import cardinal
from .units import read_unit


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency by its names; those of its hundredth are "" where it has none that is said."""

    one: str
    other: str
    minor_one: str
    minor_other: str


@cache
def currencies() -> dict[str, Currency]:
    """Every sign and every code."""
    known: dict[str, Currency] = {}
    named: dict[str, tuple[str, str]] = {
        "USD": ("U S dollar", "U S dollars"),
        "GBP": ("British pound", "British pounds"),
    }
    for code, symbols, one, other, minor_one, minor_other in read_table("en/currencies"):
        for symbol in symbols.split():
            known[symbol] = Currency(one, other, minor_one, minor_other)
        full = named.get(code, (one, other))
        known.setdefault(code, Currency(*full, minor_one, minor_other))
    for symbol in ("US$", "U$"):
        known[symbol] = Currency("U S dollar", "U S dollars", "cent", "cents")
    return known


def _alternatives(symbols: list[str]) -> str:
    return "|".join(re.escape(symbol) for symbol in sorted(symbols, key=lambda s: (-len(s), s)))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    known = list(currencies())
    before = [s for s in known if s not in ("¢", "元", "лв", "Ft", "DM", "zł", "Kč", "kr", "kr.")]
    before += ["kr", "Ft", "DM", "zł", "Kč"]
    space = "[ \u00a0\u202f\u2009]"
    first = rf"(?P<sign>[{MINUSES}+](?! ))?(?P<currency>{_alternatives(before)})(?P<gap>{space}?)(?P<inner>[{MINUSES}](?=[\d.]))?(?=\.?\d|[½¼¾⅓⅔])"
    behind = rf"(?P<gap>{space}?)(?:-(?=[A-Z]{{3}}))?(?P<currency>{_alternatives(known)})(?![A-Za-z0-9$€£])"
    return re.compile(first), re.compile(behind)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money in words, and where it ends."""

    words: str
    end: int


_RANGE = re.compile(r" ?[-–—~] ?")
_SCALED = re.compile(r"\b(?:thousand|million|billion|trillion)\b(?! \w+ hundred)")
_PER = re.compile(r" ?/ ?(?P<what>[A-Za-z]+)(?![\w])")
_CENTIMES = re.compile(r"\d{1,6}\.\d\d(?!\.?\d)")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?![.,]?\d)")
_BY_STOPS = frozenset(("Indonesian rupiah", "rupiah", "dong", "Vietnamese dong"))
"""Currencies whose thousands a full stop parts."""
_DASHED = re.compile(r"[,.][-–—](?![\w-])")
_SHILLINGS = re.compile(
    r",? (?P<shillings>1?\d)s\b(?:\.(?=,? \d|\s+[a-z]|[,;]))?(?:,? (?P<pence>1?\d)d\b(?:\.(?=\s+[a-z]|[,;]))?)?"
)
_MINUS = {"-": "minus ", "−": "minus ", "–": "minus ", "+": "plus ", "": ""}


def money_in_front(text: str, start: int) -> Amount | None:
    """The amount whose sign, or currency, stands at `start`: "-$5", "€20", "USD 30", "$5–$10"."""
    match = _patterns()[0].match(text, start)
    if match is None or (match["currency"].isalpha() and start and text[start - 1].isalnum()):
        return None
    if match["currency"] == "COP" and not match["gap"]:
        return None  # a conference by its number
    if match["currency"] in ("T", "K") or (
        match["gap"] and match["currency"] in ("R", "Ft", "Fr.") and not _CENTIMES.match(text, match.end())
    ):
        return None
    currency = currencies()[match["currency"]]
    sign = _MINUS[match["sign"] or ""] or _MINUS[match["inner"] or ""]
    read = _value(text, match.end(), currency)
    if read is None:
        return None
    words, end = f"{sign}{read.words}", read.end
    ends = _RANGE.match(text, end)
    if ends is not None:
        again = _patterns()[0].match(text, ends.end())
        second = _value(text, again.end() if again is not None else ends.end(), currency)
        if second is not None and (again is None or again["currency"] == match["currency"]):
            first = read_number(text, match.end())
            bare = with_scale(text, first, is_money=True) if first else None
            is_shared = (
                bare is not None
                and again is None
                and bare.end == end
                and (not bare.part.strip() or _SCALED.search(second.words))
            )
            head = sign + bare.words if bare is not None and is_shared else words
            return _per(text, f"{head} to {second.words}", second.end)
    if (
        read.end == end
        and re.search(r"\b[Aa]n? \Z", text[max(0, start - 3) : start])
        and re.match(r"(?: |-)(?!of\b|or\b|and\b|to\b|in\b|at\b|is\b|a\b|per\b|for\b)[a-z]{3,}", text[end : end + 8])
    ):
        words = _singular(words, currency)
    if read.end == end and re.match(r"-an?-[a-z]", text[end : end + 4]):
        words = _singular(words, currency)
    if (bare := _DASHED.match(text, end)) is not None:
        end = bare.end()
    if match["currency"] == "£" and (old := _SHILLINGS.match(text, end)) is not None and read.end == end:
        pence = f" and {cardinal(old['pence'])} {'penny' if old['pence'] == '1' else 'pence'}" if old["pence"] else ""
        shillings = f"{cardinal(old['shillings'])} {'shilling' if old['shillings'] == '1' else 'shillings'}"
        return Amount(f"{words} {shillings}{pence}", old.end())
    if match["currency"] == "£" and text[end : end + 1] == "p" and not text[end + 1 : end + 2].isalnum():
        end += 1  # pence are named already
    return _per(text, words, end)


def _singular(words: str, currency: Currency) -> str:
    """The currency in the singular, as before a noun: "a ten pound note"."""
    return words.removesuffix(currency.other) + currency.one if words.endswith(f" {currency.other}") else words


def money_behind(text: str, number: Number, start: int, sign: str = "") -> Amount | None:
    """The amount whose number is given and whose currency follows it: "5€", "30 USD", "1.200,50 €", "50p"."""
    match = _patterns()[1].match(text, number.end)
    if match is None:
        pence = re.match(r"(?:p|c)(?![\w'])", text[number.end : number.end + 2])
        if pence is not None and number.is_plain and len(number.whole) < (4 if text[number.end] == "p" else 3):
            names = ("penny", "pence") if text[number.end] == "p" else ("cent", "cents")
            return Amount(f"{sign}{number.words} {names[not number.is_one]}", number.end + 1)
        return None
    symbol = match["currency"]
    if (
        symbol.isalpha()
        and symbol.isascii()
        and not ((len(symbol) == 3 and symbol.isupper()) or symbol in ("kr", "Ft", "RM", "Rs", "Rp", "RMB", "FCFA"))
    ):
        return None
    if symbol == "ALL" or (symbol == "TOP" and match["gap"]):
        return None
    if symbol == "$" and re.match(r"\s?\d", text[match.end() : match.end() + 2]):
        return None
    end = match.end()
    if symbol.endswith(".") and re.match(r"\s*\Z|\s+[A-Z]", text[end : end + 3]):
        end -= 1
    return _per(text, sign + _named(number, currencies()[symbol]), end)


def _value(text: str, start: int, currency: Currency) -> Amount | None:
    is_by_stops = currency.one in _BY_STOPS and _GROUPED.match(text, start) is not None
    number = read_number(text, start, is_european=is_by_stops or _is_european(text, start))
    if number is None:
        return None
    scaled = with_scale(text, number, is_money=True)
    return Amount(_named(scaled, currency), scaled.end)


def _is_european(text: str, start: int) -> bool:
    return (
        re.match(r"\d{1,3}(?:\.\d{3})*,\d{1,2}(?![\d,])|\d{1,3}(?:\.\d{3}){2,}(?!\d)", text[start : start + 24])
        is not None
    )


def _named(number: Number, currency: Currency) -> str:
    part, whole = number.part, number.whole
    if part.isdigit() and len(part) == 2 and currency.minor_one and number.words == _plain(number):
        hundredths = int(part)
        minor = f"{cardinal(hundredths)} {currency.minor_one if hundredths == 1 else currency.minor_other}"
        if not hundredths:
            return f"{cardinal(whole)} {currency.one if whole == '1' else currency.other}"
        if whole in ("0", ""):
            return minor
        return f"{cardinal(whole)} {currency.one if whole == '1' else currency.other} and {minor}"
    return f"{number.words} {currency.one if number.is_one else currency.other}"


def _plain(number: Number) -> str:
    from .numerals import decimal

    return decimal(number.whole, number.part)


def _per(text: str, words: str, end: int) -> Amount:
    match = _PER.match(text, end)
    if match is None:
        return Amount(words, end)
    unit = read_unit(f"1 {match['what']}", 1)
    what = match["what"]
    names = {
        "mo": "month",
        "yr": "year",
        "wk": "week",
        "hr": "hour",
        "h": "hour",
        "d": "day",
        "pp": "person",
        "ea": "each",
    }
    said = names.get(what) or (unit.one if unit is not None and unit.end == len(what) + 2 else what)
    return Amount(f"{words} per {said}", match.end())
