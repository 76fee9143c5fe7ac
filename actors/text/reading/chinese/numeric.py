"""What begins with a digit, or with a sign before one, in Chinese: the forms of numbers, the most particular first.

Guaranteed: every digit is read; what begins at `start` is told with its kind, its words and its end.
"""

from __future__ import annotations

import re
from functools import cache

from ..tables import read_table
from .codes import read_digits, read_event, read_phone, read_version
from .counting import is_counted, read_pair
from .numerals import NUMBER, cardinal, decimal, spelled
from .units import UNIT, unit_end, unit_words

Found = tuple[str, str, int]

_DATE = re.compile(
    r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})(?!\d|[/.]\d|-\d{1,3}(?!\d))(?P<day>[日号])?"
)
_TO_DATE = re.compile(r" ?[-–—~～至到]+ ?")
_YMD = re.compile(r"(?P<y>\d{4}|\d{2})年(?:(?P<m>\d{1,2})月(?:(?P<d>\d{1,2})(?P<day>[日号號]))?)?")
_MD = re.compile(r"(?P<m>\d{1,2})月(?P<d>\d{1,2})(?P<day>[日号號])")
_TIME = re.compile(
    r"(?P<h>[01]?\d|2[0-4])[:：](?P<min>[0-5]\d)(?:[:：](?P<s>[0-5]\d))?(?![:：]?\d)(?P<half> ?[AaPp]\.?[Mm]\.?)?"
)
_SCALED = re.compile(r"(?P<a>\d{1,3}(?:,\d{3})+|\d+)[:：](?P<b>[1-9]\d{0,2}(?:,\d{3})+|\d{3,})(?![\d:])")
_RATIO = re.compile(r"(?P<a>\d+(?:\.\d+)?)[:：](?P<b>\d+(?:\.\d+)?)(?:[:：](?P<c>\d+))?")
_FRACTION = re.compile(r"(?P<a>\d+)[/⁄](?P<b>\d+)(?![\d/])")
_PRESSURE = re.compile(r" ?mmHg\b")
_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
VULGAR = "".join(_VULGAR)
_POWER = re.compile(r"(?P<s>[⁻⁺]?)(?P<p>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|\^(?P<s2>-?)(?P<p2>\d+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_TO = re.compile(r" ?(?:[-–—−~～]{1,2}) ?(?=[\d.¥￥$€£])")
_SCALE = re.compile(
    r" ?(?:[万亿萬億兆百千十]+)|(?P<short>[kK])(?![A-Za-z金])|(?P<wan>[wW])(?=[+＋多]|粉|人|元|块|播|阅|赞|点击|用户|浏览|观看|次|条|字|份|票)|(?P<million>[mM])(?![A-Za-z²³/])"
)
_SHORT_YEAR = re.compile(
    r"(?P<y>\d{2})年(?=[春夏秋冬](?![春夏秋冬华])|初(?![心衷恋期])|底(?![蕴子气])|末|世界杯|奥运|亚运|洪水|金融|非典|出生|毕业|入[学伍党])"
)
_QUARTER_YEAR = re.compile(r"(?P<y>(?:19|20)\d\d) ?(?=[QH][1-4](?!\d))")
_FIGURE = re.compile(r"(?:图|圖|表|式|例|题|題|附录|附件)\s?\Z")
_PER_SHARE = re.compile("(?P<share>[百千万]+分之)(?P<words>.+)")
_YEAR_AFTER = re.compile(r"年(?!代|级|級|龄|龄|的历史|时间|來|来|以上|内|前|后|后|之)")


@cache
def currencies() -> dict[str, str]:
    """Every sign and code of a currency with its name."""
    known: dict[str, str] = {}
    for code, symbols, name in read_table("zh/currencies"):
        for symbol in (*symbols.split(), code):
            known[symbol] = name
    return known


@cache
def _money() -> tuple[re.Pattern[str], re.Pattern[str]]:
    either = "|".join(
        re.escape(symbol) for symbol in sorted(currencies(), key=lambda s: (-len(s), s)) if symbol != "元"
    )
    return re.compile(rf"(?P<sign>[-−+]?)(?P<cur>{either}) ?(?P<inner>[-−]?)(?=\.?\d)"), re.compile(
        rf" ?(?P<cur>{either})(?![A-Za-z])"
    )


def read_numeric(text: str, start: int) -> Found | None:
    """What stands at `start`; None where no number does."""
    char = text[start]
    if char in _VULGAR:
        over, under = _VULGAR[char]
        return "fraction", f"{cardinal(under)}分之{cardinal(over)}", start + 1
    for read in (read_phone, read_event, read_pair, _date, _scale, _time, read_version, _fraction):
        found = read(text, start)
        if found is not None:
            return found
    return _quantity(text, start)


def read_money(text: str, start: int) -> Found | None:
    """An amount whose sign stands in front."""
    match = _money()[0].match(text, start)
    if match is None:
        return None
    value = _value(text, match.end(), is_money=True)
    if value is None:
        return None
    words, end = value
    sign = "负" if (match["sign"] + match["inner"]).strip("+") else ""
    second = _TO.match(text, end)
    if second is not None:
        again = _money()[0].match(text, second.end())
        rest = _value(text, again.end() if again else second.end())
        if rest is not None:
            words, end = f"{words}到{rest[0]}", rest[1]
    name = currencies()[match["cur"]]
    for written in (name, "元"):
        if text.startswith(written, end) and name.endswith(written):
            end += len(written)
            break
    return "money", f"{sign}{_counting(words)}{name}", end


def _date(text: str, start: int) -> Found | None:
    match = _DATE.match(text, start)
    first = _day(match) if match is not None else None
    if match is not None and first is not None:
        joint = _TO_DATE.match(text, match.end())
        again = _DATE.match(text, joint.end()) if joint is not None else None
        last = _day(again) if again is not None else None
        if again is not None and last is not None:
            return "date", f"{first}到{last}", again.end()
        return "date", first, match.end()
    match = _SHORT_YEAR.match(text, start) or _QUARTER_YEAR.match(text, start)
    if match is not None:
        return "year", spelled(match["y"]) + "年" * match[0].endswith("年"), match.end()
    match = _YMD.match(text, start)
    if match is not None and (match["m"] or (len(match["y"]) == 4 and _YEAR_AFTER.match(text, match.end() - 1))):
        words = f"{spelled(match['y'])}年"
        if match["m"]:
            words += f"{cardinal(match['m'])}月"
        if match["d"]:
            words += cardinal(match["d"]) + match["day"]
        return "date", words, match.end()
    match = _MD.match(text, start)
    if match is not None:
        return "date", f"{cardinal(match['m'])}月{cardinal(match['d'])}{match['day']}", match.end()
    match = re.compile(r"(?P<y>\d{2}|\d{4})年代").match(text, start)
    if match is not None:
        return "year", f"{spelled(match['y'])[:-1]}{'十' if len(match['y']) == 2 else '零'}年代", match.end()
    match = re.compile(r"(?P<a>\d{4})年? ?[-–—~～至到]+ ?(?P<b>\d{4})(?=学?年|學?年|赛季|财年)年?").match(text, start)
    if match is not None:
        return "year", f"{spelled(match['a'])}到{spelled(match['b'])}{'年' * match[0].endswith('年')}", match.end()
    match = re.compile(r"(?P<y>[12]\d{2}0|[2-9]0)['’]?s(?![A-Za-z])").match(text, start)
    if match is not None:
        return "year", f"{spelled(match['y'])}年代", match.end()
    return None


def _day(match: re.Match[str]) -> str | None:
    """A date in digits with its year in front; None for what is no day of a calendar."""
    if not (1 <= int(match["m"]) <= 12 and 1 <= int(match["d"]) <= 31):
        return None
    return f"{spelled(match['y'])}年{cardinal(match['m'])}月{cardinal(match['d'])}{match['day'] or '日'}"


def _time(text: str, start: int) -> Found | None:
    match = _TIME.match(text, start)
    if match is None or _is_score(text, start, match):
        match = _RATIO.match(text, start)
        if match is None:
            return None
        numbers = [match["a"], match["b"], *([match["c"]] if match["c"] else [])]
        return "ratio", "比".join(decimal(*([*number.split("."), ""])[:2]) for number in numbers), match.end()
    words, end = _clock(text, match), match.end()
    second = re.compile(r" ?[-–—~～至到]+ ?").match(text, end)
    again = _TIME.match(text, second.end()) if second is not None else None
    if again is not None:
        words, end = f"{words}到{_clock(text, again)}", again.end()
    return "time", words, end


def _clock(text: str, match: re.Match[str]) -> str:
    hour, minute, second = match["h"], match["min"], match["s"]
    before = text[max(0, match.start() - 4) : match.start()]
    if second and re.search(r"(?:用时|耗时|时长|历时|成绩)\s?[:：是为]?\Z", before):
        return f"{cardinal(hour)}小时{cardinal(minute)}分{cardinal(second)}秒"
    half = {"a": "上午", "p": "下午"}.get((match["half"] or "").strip()[:1].lower(), "")
    head = f"{half}{'两' if int(hour) == 2 else cardinal(hour)}点"
    if minute == "00" and not second:
        return head if half else f"{head}整"
    minutes = f"零{cardinal(minute[1])}" if minute[0] == "0" else cardinal(minute)
    return f"{head}{minutes}分" + (f"{cardinal(second)}秒" if second else "")


def _is_score(text: str, start: int, match: re.Match[str]) -> bool:
    before = text[max(0, start - 6) : start]
    return re.search(r"(?:比分|比例|比率|比|以|战胜|赔率)[是为约]?\s?\Z", before) is not None or len(match["min"]) < 2


def _scale(text: str, start: int) -> Found | None:
    """Numbers in groups with a colon between, as of a map: "1:50,000"."""
    match = _SCALED.match(text, start)
    if match is None:
        return None
    numbers = [re.sub(r"\D", "", match[name]) for name in ("a", "b")]
    return "ratio", "比".join(map(cardinal, numbers)), match.end()


def _fraction(text: str, start: int) -> Found | None:
    match = _FRACTION.match(text, start)
    if match is None:
        return None
    if match[0] == "24/7":
        return "fraction", "二十四七", match.end()
    over, under = cardinal(match["a"]), cardinal(match["b"])
    before = text[max(0, start - 4) : start]
    if _PRESSURE.match(text, match.end()) or "血压" in before or "血壓" in before:
        return "ratio", *_with_unit(text, f"{over}比{under}", match.end())[1:]
    if before.endswith("第"):
        return "number", f"{over}斜杠{under}", match.end()
    if text[match.end() : match.end() + 1] in ("=", "＝") and int(match["a"]) >= int(match["b"]):
        return "maths", f"{over}除以{under}", match.end()
    return "fraction", f"{cardinal(match['b'])}分之{cardinal(match['a'])}", match.end()


def _value(text: str, start: int, *, is_counting: bool = False, is_money: bool = False) -> tuple[str, int] | None:
    """A number with its scale."""
    match = NUMBER.match(text, start)
    if match is None:
        return None
    whole, part = re.sub(r"\D", "", match["whole"] or "0"), match["part"] or match["only"] or ""
    scale = _SCALE.match(text, match.end())
    words = decimal(whole, part, is_counting=is_counting or (whole == "2" and scale is not None and not scale["short"]))
    if scale is not None and not is_money and (scale["million"] or (scale["short"] == "K" and not 1 < len(whole) < 4)):
        scale = None  # a unit, or a name such as 4K
    if scale is None:
        return words, match.end()
    if scale["short"]:
        return _times_thousand(whole, part, words), scale.end()
    if scale["wan"] or scale["million"]:
        return f"{words}{'万' if scale['wan'] else '百万'}", scale.end()
    return words + scale[0].strip(), scale.end()


def _times_thousand(whole: str, part: str, words: str) -> str:
    """A number of thousands by its value: 10k is 一万."""
    return cardinal(whole + part.ljust(3, "0")) if len(part) < 4 else f"{words}千"


def _quantity(text: str, start: int) -> Found | None:
    match = NUMBER.match(text, start)
    if match is None:
        return None
    digits, before = match["whole"] or "", text[max(0, start - 8) : start]
    is_plain = digits.isdigit() and not match["part"]
    if is_plain:
        found = read_digits(text, start, digits, before, match.end())
        if found is not None:
            return found
    value = _value(text, start, is_counting=is_counted(text, match.end(), before))
    assert value is not None
    words, end = value
    if is_plain and text[end : end + 1] in _VULGAR and end == match.end():
        over, under = _VULGAR[text[end]]
        return _with_unit(text, f"{words}又{cardinal(under)}分之{cardinal(over)}", end + 1)
    ranged = _TO.match(text, end) or _TO.match(text, unit_end(text, end))
    if ranged is not None:
        found = _range(text, start, words, end, ranged)
        if found is not None:
            return found
    return _with_unit(text, words, end)


def _range(text: str, start: int, words: str, end: int, ranged: re.Match[str]) -> Found | None:
    before = text[max(0, start - 6) : start]
    if re.search(r"(?:比分|比|以|得分)[是为]?\s?\Z", before) and text[end] in "-–—":
        joint = "比"
    elif text[end : end + 1] == "-" and (
        _is_figure(text, before, ranged.end()) or re.match(r"\d{1,2}班", text[ranged.end() :][:3])
    ):
        joint = "杠"
    elif text[end : end + 1] in "-−" and _is_sum(text, start, ranged.end()):
        return None
    elif _is_score_of(text, start, ranged):
        joint = "比"
    else:
        joint = "到"
    first = _with_unit(text, words, end) if ranged.start() > end else ("number", words, end)
    rest = read_money(text, ranged.end()) or _quantity(text, ranged.end())
    if rest is None:
        return None
    share = _PER_SHARE.fullmatch(rest[1])
    if share is not None and first[0] == "number" and joint == "到":
        return "range", f"{share['share']}{first[1]}到{share['words']}", rest[2]
    return "range", f"{first[1]}{joint}{rest[1]}", rest[2]


def _is_figure(text: str, before: str, second: int) -> bool:
    """Whether two numbers with a hyphen are that of a figure, a table or a problem, and count nothing."""
    digits = re.compile(r"\d+").match(text, second)
    if (
        digits is None
        or is_counted(text, digits.end(), "")
        or text[digits.end() : digits.end() + 1] in ("例", "题", "題")
    ):
        return False
    return _FIGURE.search(before) is not None


def _is_score_of(text: str, start: int, ranged: re.Match[str]) -> bool:
    """Whether two small numbers with a hyphen do not ascend: a score, and no range."""
    first = re.match(r"\d{1,3}(?=-)", text[start : start + 4])
    second = re.match(r"\d{1,2}(?!\d)|\d{3}(?=\s*(?:\Z|[，。,.；;！!)）]))", text[ranged.end() : ranged.end() + 5])
    return ranged[0] == "-" and first is not None and second is not None and int(first[0]) >= int(second[0])


def _is_sum(text: str, start: int, second: int) -> bool:
    match = NUMBER.match(text, second)
    return (match is not None and text[match.end() : match.end() + 1] in ("=", "＝", "+", "×", "等")) or text[
        max(0, start - 1) : start
    ] in ("=", "+", "×")


def _with_unit(text: str, words: str, end: int) -> Found:
    power = _POWER.match(text, end)
    if power is not None and power[0]:
        digits = (power["p"] or power["p2"]).translate(_SUPERSCRIPTS)
        sign = "负" if power["s"] == "⁻" or power["s2"] else ""
        named = {"2": "的平方", "3": "的立方"}.get(digits) if not sign else None
        return "maths", words + (named or f"的{sign}{cardinal(digits)}次方"), power.end()
    paid = _money()[1].match(text, end)
    if paid is not None and not (paid["cur"].isalpha() and paid["cur"].isascii() and len(paid["cur"]) < 3):
        return "money", _counting(words) + currencies()[paid["cur"]], paid.end()
    unit = UNIT.match(text, end)
    if unit is not None:
        said = unit_words(unit, words)
        if said is not None:
            return "unit", said, unit.end()
    return "number", words, end


def _counting(words: str) -> str:
    """The number of an amount of money, where 2 is 两."""
    return "两" if words == "二" else words
