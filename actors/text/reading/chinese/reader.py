"""Chinese as it is said: the one pass over a text that finds what is not said as it is written.

Guaranteed: the spans are in order and do not overlap; every digit and symbol lies in one. Latin words pass as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..addresses import find_address
from ..emoticons import EMOTICON_STARTS, find_emoticon
from ..english.chemistry import match_ion
from ..english.numerals import roman
from ..english.signs import STARS
from ..records import FOREIGN, HAN, MARK, Span
from ..symbols import emoji_name, emoji_pattern, run_end, symbol_name
from .codes import WEAPONS, read_code
from .numerals import cardinal, spelled
from .numeric import VULGAR, currencies, read_money, read_numeric
from .units import read_bare_unit, read_rate

_HOT = re.compile(
    rf"[^{HAN}\sA-Za-zÀ-ÖØ-öø-ɏ，。、；：！？“”‘’（）《》〈〉「」『』【】…—.,;:!?()'\"\[\]\u3041-\u30ff-]|[A-Za-z][A-Za-z.:/@]*(?:[/@.:#+$€£¥]|\d| ?\d)|[IVX]+(?=[级級章世号號期型类類代届])|(?<![\dA-Za-z])-(?=[\d¥￥$€£])|(?<![A-Za-z])\.(?=\d)|(?<=\d)[-—]|第[IVXLC]+|(?<=[周一二三四五六日天月])[-–—~～](?=[周星一二三四五六七八九十])|(?<=[A-Za-z])-(?=[A-Za-z](?![A-Za-z]))|[A-Z][A-Za-z\d]*[¹²³⁴⁵⁶⁷⁸]?[⁺⁻]|[:;=]-?['dDpPoO)(/|*]|xD|XD|T_T|\^_?\^|"
    r"(?:UTC|GMT)[-−–]\d|[kcmd]?m[²³]|"
    rf"(?<=[{HAN}])[A-Z]·?[A-Z\d]{{5,6}}"
)
_PLATE = re.compile(r"(?P<city>[A-Z])·?(?P<code>(?=[A-Z]{0,3}\d)[A-Z\d]{5,6})(?![A-Za-z\d])")
_PROVINCES = frozenset("京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领")
_MATHS_NEAR = re.compile(r"[≥≤≠≈<>=＝＋+×÷√²³∈∞±]|已知|方程|函数|不等式|若|设|证明|求|正数|负数|实数|整数|差")
_DAYS = re.compile(r"[周週月][一二三四五六日天]?\Z|[一二三四五六日天十]\Z")
_ORDERED = re.compile("[单單号號务題题间間件目房第案]\\s?\\Z")
_SIGN = re.compile(r"(?P<sign>[-−+±~～≈])(?=\.?\d)")
_SIGNS = {"-": "负", "−": "负", "+": "正", "±": "正负", "~": "约", "～": "约", "≈": "约等于"}
_COLD = re.compile(r"[-−]\d+(?:\.\d+)?(?: ?[-~～到至] ?[-−]?\d+(?:\.\d+)?)? ?(?:°|℃|℉|º|度|摄氏|华氏|%)")
_NO = re.compile(r"[Nn][Oo]\. ?(?P<digits>\d+)")
_WIDE = re.compile(r"[^\x00-\x7f]")
_HAN_DIGITS = frozenset("一二三四五六七八九十")
_IS_HAN = re.compile(f"[{HAN}]")
_CLOSED = frozenset("，。！？、；：”）」』》…")
_DRAWN_OUT = frozenset("啊哈嗯哦噢呀呢吧啦哟嘿呵嘻喵好的嘛呗哇啰咯唉哎诶")
"""Characters behind which a tilde lengthens a sound."""
_TERMS = frozenset("一二三四五六七八九十零〇两百千万亿年月日号號天时時点點分秒周週星期米元块岁歲度级級班层層楼樓")
_AFTER_TIME = frozenset("上下早晚中凌傍次翌明")
_FROM = re.compile("从[^，。！？；]{1,6}\\Z")
_JOURNEY = re.compile(
    r"[^，。！？；,.!?;~我你他她坐乘]{2,4}(?:高铁|动车|列车|航班|航线|机票|火车|线路|区间|路段|公路|高速|铁路)"
)
"""What follows the two ends of a way, as in "北京~上海高铁"."""
_PIECES = re.compile(r"\d+|[A-Za-z]+|.")
_MARKS = {
    ".": "点",
    "/": "斜杠",
    "@": "艾特",
    "-": "杠",
    "_": "下划线",
    ":": "冒号",
    "?": "问号",
    "=": "等于",
    "&": "和",
    "#": "井号",
    "%": "百分号",
    "+": "加",
    "~": "波浪号",
    "\\": "反斜杠",
}
_OPERATORS = {
    "<=": "小于等于",
    ">=": "大于等于",
    "!=": "不等于",
    "==": "等于",
    "->": "到",
    "=>": "推出",
    "+/-": "正负",
    "+-": "正负",
}
_OPERATOR = re.compile("|".join(re.escape(sign) for sign in sorted(_OPERATORS, key=len, reverse=True)))
_LINE = re.compile(r"([^\w\s])\1{2,}")
_FOREIGN = re.compile(rf"(?:(?![A-Za-zÀ-ÖØ-öø-ɏ{HAN}\u3041-\u30ff])[^\W\d_])+")
_SUPER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[₀₁₂₃₄₅₆₇₈₉]+")
_PLAIN_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_SUM = re.compile(r"- ?[\dA-Za-z(]+(?: ?[=＝等+×÷-])|- (?=\d)")
_SUM_BEFORE = re.compile(r"[=+×] ?\w+ ?\Z")
_TERM = re.compile(r"[\dA-Za-z)）²³] ?\Z")


class ChineseReader:
    """Chinese, in simplified or traditional characters."""

    def spans(self, text: str) -> Iterator[Span]:
        """What is said otherwise than it is written, in order."""
        position = 0
        while True:
            hot = _HOT.search(text, position)
            if hot is None:
                return
            span = _read(text, hot.start())
            if span is None:
                position = hot.start() + 1
                if hot[0][0].isalpha() and hot[0][0].isascii():
                    word = re.compile("[A-Za-z]+").match(text, hot.start())
                    position = word.end() if word is not None else position
                continue
            yield span
            position = span.end


def _read(text: str, start: int) -> Span | None:
    char = text[start]
    before = text[start - 1] if start else " "
    if char in EMOTICON_STARTS:
        emoticon = find_emoticon(text, start, "zh")
        if emoticon is not None:
            return Span(start, emoticon[1], "emoji", emoticon[0])
    if char.isascii() and (char.isalnum() or char in "~/"):
        found = find_address(text, start)
        if found is not None and not (before.isascii() and before.isalnum()):
            end = _address_end(text, start, found[1])
            return Span(start, end, found[0], _address(text[start:end]))
    paid = read_money(text, start)
    if paid is not None and not (before.isascii() and before.isalpha()):
        return Span(start, paid[2], paid[0], paid[1])
    if (char.isdigit() and char.isascii()) or char in VULGAR or (char == "." and text[start + 1 : start + 2].isdigit()):
        found = read_numeric(text, start)
        return Span(start, found[2], found[0], found[1]) if found is not None else None
    if char == "第":
        match = re.compile("第([IVXLC]+)").match(text, start)
        value = roman(match[1]) if match is not None else None
        return Span(start, start + 1 + len(match[1]), "roman", f"第{cardinal(value)}") if match and value else None
    if char.isascii() and char.isalpha():
        return _latin(text, start)
    if char == "+":
        found = read_numeric(text, start)
        if found is not None and found[0] == "phone":
            return Span(start, found[2], found[0], found[1])
    sign = _SIGN.match(text, start)
    is_named = WEAPONS.search(text, max(0, start - 3), start) is not None and not _COLD.match(text, start)
    if sign is not None and sign["sign"] in "-−" and is_named:
        return Span(start, start + 1, MARK, "")
    if (
        sign is not None
        and before not in "日号號月年点时分秒元米度级周"
        and not _TERM.search(text[max(0, start - 2) : start])
    ):
        found = read_numeric(text, sign.end())
        if found is not None:
            word = _SIGNS[sign["sign"]]
            if sign["sign"] in "-−" and found[0] == "unit" and found[1].endswith(("摄氏度", "华氏度")):
                word = "零下"
            return Span(start, found[2], found[0], word + found[1])
    return _symbol(text, start, before)


def _latin(text: str, start: int) -> Span | None:
    before = text[max(0, start - 1) : start]
    plate = _PLATE.match(text, start) if before in _PROVINCES and before else None
    if plate is not None:
        code = "".join(spelled(p) if p.isdigit() else p for p in re.findall(r"[A-Z]|\d+", plate["code"]))
        return Span(start, plate.end(), "code", plate["city"] + code)
    ion = match_ion(text, start) if not (before.isascii() and before.isalpha()) else None
    if ion is not None:
        pieces, charge, is_positive, end = ion
        letters = "".join(cardinal(piece) if piece.isdigit() else piece for piece in pieces)
        return Span(start, end, "chemistry", f"{letters}{'正' if is_positive else '负'}{cardinal(charge or '1')}价")
    unit = read_bare_unit(text, start)
    if unit is not None:
        return Span(start, unit[2], unit[0], unit[1])
    if text[start] in "xX" and before.isdigit() and text[start + 1 : start + 2].isdigit():
        return Span(start, start + 1, "maths", "乘")
    no = _NO.match(text, start)
    if no is not None:
        return Span(
            start,
            no.end(),
            "code",
            f"第{cardinal(no['digits'])}号"
            if text[no.end() : no.end() + 1] not in ("号", "號")
            else f"第{cardinal(no['digits'])}",
        )
    code = read_code(text, start)
    if code is not None:
        return Span(start, code[2], code[0], code[1])
    match = re.compile("[IVX]{1,6}(?=[级級章世号號期型类類代届])").match(text, start)
    value = roman(match[0]) if match is not None else None
    return Span(start, match.end(), "roman", cardinal(value)) if match and value else None


def _address_end(text: str, start: int, end: int) -> int:
    """Where an address ends in Chinese text: before what is not ASCII, for no space parts it from the words behind it."""
    wide = _WIDE.search(text, start, end)
    if wide is None:
        return end
    end = wide.start()
    while end > start + 1 and text[end - 1] in ".,;:!?)]}'\"*_":
        end -= 1
    return end


def _address(text: str) -> str:
    words: list[str] = []
    for piece in map(str, _PIECES.findall(text)):
        if piece.isdigit():
            words.append(cardinal(piece) if (len(piece) < 3 and piece[0] != "0") or piece == "0" else spelled(piece))
        else:
            words.append(_MARKS.get(piece, piece))
    return " ".join(words) if not text[0].isdigit() else "".join(words)


def _symbol(text: str, start: int, before: str) -> Span | None:
    char = text[start]
    emoji = None if char.isascii() else emoji_pattern("zh").match(text, start)
    if emoji is not None and char not in "©®™":
        return Span(start, run_end(text, emoji), "emoji", emoji_name("zh", emoji[0]))
    stars = STARS.match(text, start)
    if stars is not None:
        full, empty = len(stars["full"]), len(stars["empty"])
        words = f"{'两' if full == 2 else cardinal(full)}{'颗半星' if stars['half'] else '颗星'}"
        rated = f"，满分{cardinal(full + empty + bool(stars['half']))}颗星" if empty else ""
        return Span(start, stars.end(), "rating", words + rated)
    if char == "·" and before in _HAN_DIGITS and text[start + 1 : start + 2] in _HAN_DIGITS:
        return Span(start, start + 1, MARK, "")
    if char == "~":
        return _tilde(text, start, before)
    line = _LINE.match(text, start)
    if line is not None:
        return Span(start, line.end(), "line", "...")
    if char in "-–—~～" and before in "日号號月年点时分秒元米度级周" and text[start + 1 : start + 2].isdigit():
        return Span(start, start + 1, "range", "到")
    if (
        char in "-–—~～"
        and _DAYS.search(text[max(0, start - 2) : start])
        and re.match("[周週星]|[一二三四五六七八九十]{1,2}月", text[start + 1 : start + 4])
    ):
        return Span(start, start + 1, "range", "到")
    if char == "-" and _is_difference(text, start):
        return Span(start, start + 1, "maths", "减")
    if char == "#" and text[start + 1 : start + 2].isdigit() and _ORDERED.search(text, max(0, start - 2), start):
        digits = re.compile(r"\d+").match(text, start + 1)
        assert digits is not None
        words = spelled(digits[0]) if len(digits[0]) > 3 or digits[0][0] == "0" else cardinal(digits[0])
        return Span(start, digits.end(), "code", f"{'' if before in '号號第' else '号'}{words}")
    if char == "-" and not _SUM.match(text, start) and not _SUM_BEFORE.search(text, max(0, start - 8), start):
        return None
    if (
        char in "-−"
        and _TERM.search(text[max(0, start - 2) : start])
        and re.match(r" ?(?:[\d(]|[A-Za-z](?![A-Za-z]))", text[start + 1 : start + 4])
    ):
        return Span(start, start + 1, "maths", "减")
    if char in "-–—_" or char.isspace():
        return Span(start, start + 1, "symbol", "下划线") if char == "_" else None
    operator = _OPERATOR.match(text, start)
    if operator is not None:
        return Span(start, operator.end(), "maths", _OPERATORS[operator[0]])
    if char == "*" and before.isdigit() and text[start + 1 : start + 2].isdigit():
        return Span(start, start + 1, "maths", "乘以")
    rate = read_rate(text, start, before) if char == "/" else None
    if rate is not None:
        return Span(start, rate[2], rate[0], rate[1])
    if char in "§№" and re.match(r" ?\d", text[start + 1 : start + 3]):
        number = read_numeric(text, start + 1 + (text[start + 1] == " "))
        assert number is not None
        return Span(start, number[2], "symbol", f"第{number[1]}节" if char == "§" else f"编号{number[1]}")
    super_digits = _SUPER.match(text, start)
    if super_digits is not None:
        digits = super_digits[0].translate(_PLAIN_DIGITS)
        is_power = char in "⁰¹²³⁴⁵⁶⁷⁸⁹" and (before.isalnum() or before in ")）")
        named = (
            {"2": "的平方", "3": "的立方"}.get(digits, f"的{cardinal(digits)}次方") if is_power else cardinal(digits)
        )
        return Span(start, super_digits.end(), "maths", named)
    emoji = emoji_pattern("zh").match(text, start)
    if emoji is not None:
        return Span(start, run_end(text, emoji), "emoji", emoji_name("zh", emoji[0]))
    if char in currencies():
        return Span(start, start + 1, "symbol", currencies()[char])
    name = symbol_name("zh", char)
    if name:
        return Span(start, start + 1, "symbol", name)
    foreign = _FOREIGN.match(text, start)
    if foreign is not None:
        return Span(start, foreign.end(), FOREIGN, foreign[0])
    return None if char.isspace() else Span(start, start + 1, FOREIGN, char) if not _is_mark(char) else None


def _tilde(text: str, start: int, before: str) -> Span:
    """Tildes: "to" between two terms, a comma between other words, silent where they lengthen a sound."""
    end = start
    while text[end : end + 1] == "~":
        end += 1
    after = text[end : end + 1]
    if end == start + 1 and before.isalnum() and after.isalnum() and before not in _DRAWN_OUT:
        is_between = _is_term(before) and (_is_term(after) or after in _AFTER_TIME)
        if is_between or _JOURNEY.match(text, end) or _FROM.search(text, max(0, start - 8), start):
            return Span(start, end, "range", "到")
        return Span(start, end, MARK, "，")
    if not (_IS_HAN.match(before) or _IS_HAN.match(after) or before in _CLOSED):
        return Span(start, end, "symbol", "波浪号")
    return Span(start, end, MARK, "")


def _is_term(char: str) -> bool:
    """Whether a character belongs to a number, a time or a name in Latin letters."""
    return char.isascii() or char in _TERMS


def _is_difference(text: str, start: int) -> bool:
    """Whether a hyphen between two single Latin letters is a minus: something of mathematics stands near."""
    return (
        re.search(r"(?<![A-Za-z])[A-Za-z]\Z", text[max(0, start - 2) : start]) is not None
        and re.match(r"[A-Za-z](?![A-Za-z\d])", text[start + 1 : start + 3]) is not None
        and _MATHS_NEAR.search(text, max(0, start - 12), start + 14) is not None
    )


def _is_mark(char: str) -> bool:
    import unicodedata

    return unicodedata.category(char)[0] in "PZC"
