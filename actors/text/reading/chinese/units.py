"""Chinese units, behind a number and by themselves, and what is said per what.

Guaranteed: a unit is read only where all its letters are one that the table has.
"""

from __future__ import annotations

import re
from functools import cache

from ..english.units import PREFIXES
from ..tables import read_table

Found = tuple[str, str, int]

_PREFIX = {
    "k": "千",
    "K": "千",
    "m": "毫",
    "c": "厘",
    "d": "分",
    "µ": "微",
    "n": "纳",
    "p": "皮",
    "h": "百",
    "M": "兆",
    "G": "吉",
    "T": "太",
}
UNIT = re.compile(
    r" ?(?P<sym>°[CF](?![A-Za-z])|[%‰‱°º℃℉]|[A-Za-zµΩΩℓ]+)(?P<pow>[²³]|\^?[23](?!\d))?(?:/(?P<under>[A-Za-z]+)(?P<upow>[²³]|\^?[23](?!\d))?)?(?![A-Za-z\d])"
)
_NAMED_LETTER = re.compile("[A-Z][级級座股型班区區组組类類档星照卡栋棟金]")
_KINDS = {"²": "平方", "³": "立方", "2": "平方", "3": "立方"}
_PER_WORD = re.compile("/(?=[天人次日月年小分秒个個只斤周克升米公千吨噸件台股辆輛套箱瓶盒包平立亩畝户戶份页頁棵位晚])")
_PER_SYMBOL = re.compile(r"/(?P<sym>[A-Za-zµ]+)(?P<pow>[²³]|\^?[23])?(?![A-Za-z\d])")
_BEFORE_PER = re.compile("[元块塊角分米克升斤个個人次天月年里吨噸度瓦时時件台套箱瓶盒包方秒万亿位字页頁A-Za-z]")
_PAID = re.compile(r"[¥￥$€£] ?[\d.,]+\Z")
_BARE = re.compile(
    r"(?P<rate>(?P<over>[A-Za-zµ]{1,5})/(?P<under>s|h|min|L|mL|dL|kg|m[²³]))(?![A-Za-z\d/])|(?P<power>[kcmd]?m)(?P<of>[²³23])(?![A-Za-z\d])"
)


@cache
def units() -> dict[str, str]:
    """Every symbol of the table with its words; "{}" is the number, where that does not stand in front."""
    known: dict[str, str] = {}
    for symbols, words, prefixes in read_table("zh/units"):
        for symbol in symbols.split():
            known[symbol] = words
            for prefix in prefixes.split():
                assert prefix in PREFIXES
                known.setdefault(prefix + symbol, _PREFIX[prefix] + words)
    return known


def unit_end(text: str, end: int) -> int:
    """Where a unit that begins at `end` ends; `end` where none does."""
    match = UNIT.match(text, end)
    return match.end() if match is not None and match["sym"] in units() else end


def unit_words(unit: re.Match[str], words: str) -> str | None:
    """A number's words with those of the unit behind it; None for what is no unit."""
    name = units().get(unit["sym"].replace("μ", "µ"))
    if name is None or _NAMED_LETTER.match(unit.string, unit.start()):
        return None
    if unit["sym"] == "K" and len(words) == 1:
        return None  # a resolution, as in 4K
    if "{}" in name:
        return name.format(words) if not unit["under"] else None
    said = f"{_counting(words, name)}{_kind(unit['pow'])}{name}"
    if unit["under"]:
        under = units().get(unit["under"])
        if under is None:
            return None
        said += f"每{_kind(unit['upow'])}{under}"
    return said


def read_rate(text: str, start: int, before: str) -> Found | None:
    """A slash that says what something is counted per: "60公里/小时", "5元/m²"."""
    if not before or not (_BEFORE_PER.match(before) or _PAID.search(text, max(0, start - 16), start)):
        return None
    if (per := _PER_WORD.match(text, start)) is not None:
        return "unit", "每", per.end()
    per = _PER_SYMBOL.match(text, start)
    if per is None or per["sym"] not in units() or before.isascii():
        return None
    return "unit", f"每{_kind(per['pow'])}{units()[per['sym']]}", per.end()


def read_bare_unit(text: str, start: int) -> Found | None:
    """A unit without a number, over another one or with a power: "km/h", "m²"."""
    match = _BARE.match(text, start)
    if match is None or (start and text[start - 1].isascii() and text[start - 1].isalnum()):
        return None
    if match["power"]:
        return "unit", f"{_kind(match['of'])}{units()[match['power']]}", match.end()
    over, under, power = match["over"], match["under"].rstrip("²³"), match["under"][-1]
    if over not in units() or under not in units() or (over.isupper() and len(over) == 1):
        return None
    return "unit", f"{units()[over]}每{_kind(power)}{units()[under]}", match.end()


def _kind(power: str | None) -> str:
    return _KINDS.get((power or "").removeprefix("^"), "")


def _counting(words: str, name: str) -> str:
    """The number before a unit, where 2 is 两 but for degrees."""
    return "两" if words == "二" and not name.endswith(("度", "开")) else words
