"""What begins with a digit, or with a sign before one, in Chinese: the forms of numbers, the most particular first.

Guaranteed: every digit is read; what begins at `start` is told with its kind, its words and its end.
"""

from __future__ import annotations

import re
from functools import cache

from ..english.units import PREFIXES
from ..tables import read_table
from .numerals import cardinal, decimal, spelled

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
_NUMBER = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?:[,，]\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?! ?\d)|\d+)(?:\.(?P<part>\d+)(?!\.\d))?|\.(?P<only>\d+)"
)
_MEASURES = "个個只隻条條本张張位件块塊台臺次天年岁歲杯瓶斤家间間层層名座辆輛双雙对對倍种種头頭棵把碗句页頁章节節项項门門部幅颗顆场場套群片支枝人餐盒袋包箱份米元角里公克千万萬亿億小分秒周星月匹架艘朵滴步点點"
_DATE = re.compile(r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})(?![\d]|[-/.]\d)(?P<day>[日号])?")
_YMD = re.compile(r"(?P<y>\d{4}|\d{2})年(?:(?P<m>\d{1,2})月(?:(?P<d>\d{1,2})(?P<day>[日号號]))?)?")
_MD = re.compile(r"(?P<m>\d{1,2})月(?P<d>\d{1,2})(?P<day>[日号號])")
_TIME = re.compile(
    r"(?P<h>[01]?\d|2[0-4])[:：](?P<min>[0-5]\d)(?:[:：](?P<s>[0-5]\d))?(?![:：]?\d)(?P<half> ?[AaPp]\.?[Mm]\.?)?"
)
_SCALED = re.compile(r"(?P<a>\d{1,3}(?:,\d{3})+|\d+)[:：](?P<b>[1-9]\d{0,2}(?:,\d{3})+|\d{3,})(?![\d:])")
_RATIO = re.compile(r"(?P<a>\d+(?:\.\d+)?)[:：](?P<b>\d+(?:\.\d+)?)(?:[:：](?P<c>\d+))?")
_PHONE = re.compile(
    r"\+\d{1,3}(?:[ -]?\d{2,11}){1,5}(?!\d)|1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)|\(?0\d{2,3}\)?[ -]?\d{7,8}(?:-\d{1,5})?(?!\d)"
    r"|[48]00[ -]?\d{3,4}[ -]?\d{3,4}(?!\d)|\d{3,4}-\d{3,4}-\d{4}(?!\d)"
)
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")
_FRACTION = re.compile(r"(?P<a>\d+)[/⁄](?P<b>\d+)(?![\d/])")
_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
VULGAR = "".join(_VULGAR)
_POWER = re.compile(r"(?P<s>[⁻⁺]?)(?P<p>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|\^(?P<s2>-?)(?P<p2>\d+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_TO = re.compile(r" ?(?:[-–—−~～]{1,2}) ?(?=[\d.¥￥$€£])")
_SCALE = re.compile(r" ?(?:[万亿萬億兆百千十]+)|(?P<short>[kK])(?![A-Za-z])|(?P<million>[mM])(?![A-Za-z²³/])")
_UNIT = re.compile(
    r" ?(?P<sym>°[CF](?![A-Za-z])|[%‰‱°º℃℉]|[A-Za-zµΩΩℓ]+)(?P<pow>[²³]|\^?[23](?!\d))?(?:/(?P<under>[A-Za-z]+)(?P<upow>[²³])?)?(?![A-Za-z\d])"
)
_NAMED_LETTER = re.compile("[A-Z][级級座股型班区區组組类類档星照卡栋棟]")
_DIALLED = re.compile(r"(?:拨打?|撥打?|打|呼叫|热线|熱線|电话|電話|报警)[:：是]?\s?\Z")
_CODE = re.compile(
    r"(?:密码|密碼|验证码|驗證碼|编号|編號|邮编|郵編|代码|代碼|号码|號碼|房间|房間|房号|房間號|房间号|账号|賬號|卡号|学号|学号|口令|尾号|车牌|特工|股票|号是|号为|转|QQ|微信|ID|id)[:：是为為]?\s?\Z"
)
_YEAR_AFTER = re.compile(r"年(?!代|级|級|龄|龄|的历史|时间|來|来|以上|内|前|后|后|之)")
_LETTERS = re.compile(r"(?P<letters>[A-Za-z]{1,5}) ?(?P<joint>[-–])?(?P<digits>\d+)(?P<tail>[A-Za-z]?)(?![\dA-Za-z.])")
_FLIGHT = re.compile(r"(?:航班|车次|車次|乘坐?|列车|列車|次)")


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
    for read in (_phone, _date, _scale, _time, _version, _fraction):
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
    return "money", f"{sign}{words}{name}", end


def _phone(text: str, start: int) -> Found | None:
    match = _PHONE.match(text, start)
    if match is None:
        return None
    num_digits = sum(map(str.isdigit, match[0]))
    if num_digits < 7 or (match[0].isdigit() and num_digits < 10):
        return None
    return (
        "phone",
        ("加" if match[0][0] == "+" else "") + spelled(re.sub(r"\D", "", match[0]), is_phone=True),
        match.end(),
    )


def _date(text: str, start: int) -> Found | None:
    match = _DATE.match(text, start)
    if match is not None and 1 <= int(match["m"]) <= 12 and 1 <= int(match["d"]) <= 31:
        return (
            "date",
            f"{spelled(match['y'])}年{cardinal(match['m'])}月{cardinal(match['d'])}{match['day'] or '日'}",
            match.end(),
        )
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


def _version(text: str, start: int) -> Found | None:
    match = _VERSION.match(text, start)
    if match is None:
        return None
    numbers = match[0].split(".")
    return "version", "点".join(cardinal(n) if n[0] != "0" or n == "0" else spelled(n) for n in numbers), match.end()


def _fraction(text: str, start: int) -> Found | None:
    match = _FRACTION.match(text, start)
    if match is None:
        return None
    if match[0] == "24/7":
        return "fraction", "二十四七", match.end()
    return "fraction", f"{cardinal(match['b'])}分之{cardinal(match['a'])}", match.end()


def _value(text: str, start: int, *, is_counting: bool = False, is_money: bool = False) -> tuple[str, int] | None:
    """A number with its scale."""
    match = _NUMBER.match(text, start)
    if match is None:
        return None
    whole, part = re.sub(r"\D", "", match["whole"] or "0"), match["part"] or match["only"] or ""
    scale = _SCALE.match(text, match.end())
    words = decimal(whole, part, is_counting=is_counting or (scale is not None and whole == "2"))
    if scale is not None and not is_money and (scale["million"] or (scale["short"] == "K" and not 1 < len(whole) < 4)):
        scale = None  # a unit, or a name such as 4K
    if scale is None:
        return words, match.end()
    if scale["short"] or scale["million"]:
        return f"{words}{'千' if scale['short'] else '百万'}", scale.end()
    return words + scale[0].strip(), scale.end()


def _quantity(text: str, start: int) -> Found | None:
    match = _NUMBER.match(text, start)
    if match is None:
        return None
    digits, before = match["whole"] or "", text[max(0, start - 8) : start]
    is_plain = digits.isdigit() and not match["part"]
    if is_plain:
        found = _digits(text, start, digits, before, match.end())
        if found is not None:
            return found
    following = text[match.end() : match.end() + 1]
    is_counting = (
        following != "" and following in _MEASURES and not before.endswith("第") and following not in "月日号號"
    )
    value = _value(text, start, is_counting=is_counting)
    assert value is not None
    words, end = value
    ranged = _TO.match(text, end) or _TO.match(text, _unit_end(text, end))
    if ranged is not None:
        found = _range(text, start, words, end, ranged)
        if found is not None:
            return found
    return _with_unit(text, words, end)


def _unit_end(text: str, end: int) -> int:
    match = _UNIT.match(text, end)
    return match.end() if match is not None and match["sym"] in units() else end


def _range(text: str, start: int, words: str, end: int, ranged: re.Match[str]) -> Found | None:
    before = text[max(0, start - 6) : start]
    if re.search(r"(?:比分|比|以|得分)[是为]?\s?\Z", before) and text[end] in "-–—":
        joint = "比"
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
    return "range", f"{first[1]}{joint}{rest[1]}", rest[2]


def _is_score_of(text: str, start: int, ranged: re.Match[str]) -> bool:
    """Whether two small numbers with a hyphen do not ascend: a score, and no range."""
    first = re.match(r"\d{1,2}(?=-)", text[start : start + 3])
    second = re.match(r"\d{1,2}(?!\d)", text[ranged.end() : ranged.end() + 3])
    return ranged[0] == "-" and first is not None and second is not None and int(first[0]) >= int(second[0])


def _is_sum(text: str, start: int, second: int) -> bool:
    match = _NUMBER.match(text, second)
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
        return "money", words + currencies()[paid["cur"]], paid.end()
    unit = _UNIT.match(text, end)
    if unit is not None:
        said = _unit_words(unit, words)
        if said is not None:
            return "unit", said, unit.end()
    return "number", words, end


def _unit_words(unit: re.Match[str], words: str) -> str | None:
    name = units().get(unit["sym"].replace("μ", "µ"))
    if name is not None and _NAMED_LETTER.match(unit.string, unit.start()):
        return None
    if name is None:
        return None
    kind = {"²": "平方", "³": "立方", "2": "平方", "3": "立方"}.get((unit["pow"] or "").removeprefix("^"), "")
    if "{}" in name:
        return name.format(words) if not unit["under"] else None
    said = f"{words}{kind}{name}"
    if unit["under"]:
        under = units().get(unit["under"])
        if under is None:
            return None
        upper = {"²": "平方", "³": "立方", None: ""}[unit["upow"]]
        said += f"每{upper}{'小时' if unit['under'] in ('h', 'hr') else under}"
    return said


def _digits(text: str, start: int, digits: str, before: str, end: int) -> Found | None:
    """Digits that are no cardinal: with zeros in front, dialled, in a code, or too many."""
    following = text[end : end + 1]
    if digits[0] == "0" and len(digits) > 1:
        return "code", spelled(digits), end
    if len(digits) in (3, 5) and _DIALLED.search(before) and not (following and following in _MEASURES):
        return "phone", spelled(digits, is_phone=True), end
    if len(digits) > 2 and text[end : end + 2] in ("热线", "電話", "电话", "客服"):
        return "phone", spelled(digits, is_phone=True), end
    if len(digits) > 2 and _CODE.search(before) and not (following and following in _MEASURES):
        return "code", spelled(digits), end
    if len(digits) in (3, 4) and following in ("室", "房"):
        return "code", spelled(digits), end
    if len(digits) > 16:
        return "digits", spelled(digits), end
    match = re.compile(r"\d{4}(?:[ -]\d{4}){2,4}(?!\d)").match(text, start)
    return ("digits", spelled(re.sub(r"\D", "", match[0])), match.end()) if match is not None else None


def read_code(text: str, start: int) -> Found | None:
    """Letters with digits behind them: a flight or a train digit by digit, another code by its number."""
    match = _LETTERS.match(text, start)
    if match is None:
        return None
    letters, digits = match["letters"], match["digits"]
    is_dialled = _FLIGHT.search(text[max(0, start - 4) : start]) is not None or text[match.end() : match.end() + 1] in (
        "次",
        "航",
    )
    if letters in ("v", "V"):
        number = _NUMBER.match(text, match.start("digits"))
        assert number is not None
        return "version", "v" + decimal(number["whole"] or "0", number["part"] or ""), number.end()
    if letters.lower() in ("no", "nr"):
        return "code", f"第{cardinal(digits)}", match.end()
    words = (
        spelled(digits, is_phone=True)
        if is_dialled and len(digits) > 2
        else spelled(digits)
        if digits[0] == "0" or len(digits) > 3
        else cardinal(digits)
    )
    return "code", f"{letters}{words}{match['tail']}", match.end()
