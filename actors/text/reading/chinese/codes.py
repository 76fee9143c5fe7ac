"""Digits that are no cardinals in Chinese: dialled, of codes and versions, days that are names, numbers of models.

Guaranteed: each rule reads what begins at `start` and says where it ends, or declines with None.
"""

from __future__ import annotations

import re

from .counting import MEASURES
from .numerals import NUMBER, cardinal, decimal, spelled

Found = tuple[str, str, int]

_PHONE = re.compile(
    r"\+\d{1,3}(?:[ -]?\d{2,11}){1,5}(?!\d)|1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)|\(?0\d{2,3}\)?[ -]?(?:\d{7,8}|\d{3,4}[ -]\d{4})(?:-\d{1,5})?(?!\d)"
    r"|[48]00[ -]?\d{3,4}[ -]?\d{3,4}(?!\d)|\d{3,4}-\d{3,4}-\d{4}(?!\d)"
)
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")
_DIALLED = re.compile(
    r"(?:拨打?|撥打?|打|呼叫|致电|致電|热线|熱線|电话|電話|报警|报警|客服|分机|分機|短号)[:：是]?\s?\Z"
)
_CALLED = ("热线", "熱線", "電話", "电话", "客服", "报警", "報警", "火警", "急救")
_CODE = re.compile(
    r"(?:密码|密碼|验证码|驗證碼|编号|編號|邮编|郵編|代码|代碼|号码|號碼|房间|房間|房号|房間號|房间号|账号|賬號|卡号|学号|学号|口令|尾号|车牌|特工|股票|号是|号为|转|QQ|微信|ID|id)[:：是为為]?\s?\Z"
)
_LETTERS = re.compile(r"(?P<letters>[A-Za-z]{1,5}) ?(?P<joint>[-–−])?(?P<digits>\d+)(?P<tail>[A-Za-z]?)(?![\dA-Za-z.])")
_FLIGHT = re.compile(r"(?:航班|车次|車次|乘坐?|列车|列車|次)")
_MODEL_BEFORE = re.compile(r"(?:波音|空客|空中客车|宝马|奔驰|保时捷|标致) ?\Z")
_EVENT = re.compile(
    r"(?P<month>1[0-2]|[1-9])[.·・]?(?P<day>[12]\d|3[01]|0?[1-9])(?!\d)(?:(?=[”\"」』’]?(?:特?大)?(?:事件|地震|晚会|大促|购物节|年中|"
    r"妇女节|护士节|青年节|儿童节|劳动节|国庆|植树节|假期|长假|黄金周|惨案|起义|空难|爆炸|讲话|慰问))|(?<=[.·・]\d)(?=火灾|案)|(?<=[.·・]\d\d)(?=火灾|案))"
)
_DOTTED_DAY = re.compile(
    r"(?P<month>1[0-2]|[1-9])[·・](?P<day>[12]\d|3[01]|[1-9])(?![\d.=＝%％米倍元个個克吨公千万亿厘毫度])"
)
_FORMATION = re.compile("\\d(?:-\\d){2,3}(?=的?[阵陣]|的?战术|的?站位)")
_SCHOOLS = re.compile("[、和/]?(?:985|211)?(?:高校|工程|院校|大学|毕业)")
_METERS = re.compile(r"\d米\Z")
WEAPONS = re.compile(
    "(?:歼|殲|轰|轟|运|直|强|教|苏|米格|图|安|伊尔|雅克|东风|東風|巨浪|长剑|霹雳|红旗|鹰击|翼龙|彩虹|长征|神舟|天舟|天宫|嫦娥|北斗|风云|高分|快舟|附件|附录|方案)\\Z"
)
"""Names that a hyphen joins to their number, as in 歼-20."""


def read_phone(text: str, start: int) -> Found | None:
    """A telephone number, by its form."""
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


def read_version(text: str, start: int) -> Found | None:
    """Three numbers or more with full stops between."""
    match = _VERSION.match(text, start)
    if match is None:
        return None
    numbers = match[0].split(".")
    return "version", "点".join(cardinal(n) if n[0] != "0" or n == "0" else spelled(n) for n in numbers), match.end()


def read_event(text: str, start: int) -> Found | None:
    """A day that is a name, "9·11" or "618大促", or the lines of a team, "4-4-2阵型", digit by digit."""
    match = _FORMATION.match(text, start)
    if match is not None:
        return "event", spelled(match[0].replace("-", "")), match.end()
    match = _EVENT.match(text, start)
    if match is None and text[max(0, start - 1) : start] not in ("=", "＝", "·", "+", "×"):
        match = _DOTTED_DAY.match(text, start)
    if match is None:
        return None
    return "event", spelled(match["month"]) + spelled(match["day"]), match.end()


def read_digits(text: str, start: int, digits: str, before: str, end: int) -> Found | None:
    """Digits that are no cardinal: with zeros in front, dialled, in a code, or too many."""
    following = text[end : end + 1]
    is_counted = bool(following) and following in MEASURES
    num_digits = len(digits)
    if digits[0] == "0" and num_digits > 1:
        return "code", spelled(digits), end
    if num_digits in (3, 5) and _DIALLED.search(before) and not is_counted:
        return "phone", spelled(digits, is_phone=True), end
    if num_digits > 2 and text[end : end + 2] in _CALLED:
        return "phone", spelled(digits, is_phone=True), end
    if num_digits > 2 and _CODE.search(before) and not is_counted:
        return "code", spelled(digits), end
    if num_digits in (3, 4) and following in ("室", "房"):
        return "code", spelled(digits), end
    if num_digits == 5 and digits[0] in "19" and text[end : end + 2] in ("投诉", "网站", "平台"):
        return "phone", spelled(digits, is_phone=True), end
    if digits in ("985", "211") and _SCHOOLS.match(text, end):
        return "code", spelled(digits), end
    if num_digits == 3 and _MODEL_BEFORE.search(before):
        return "code", spelled(digits), end
    if num_digits in (3, 4) and re.match(r"[Pp](?![A-Za-z\d])", text[end : end + 2]):
        return "code", f"{spelled(digits)}P", end + 1
    if num_digits == 2 and _METERS.search(before) and not is_counted and following not in ("厘", "公"):
        return "unit", spelled(digits), end
    if num_digits == 4 and before.rstrip().endswith("©"):
        return "year", spelled(digits), end
    if num_digits > 16:
        return "digits", spelled(digits), end
    match = re.compile(r"\d{4}(?:[ -]\d{4}){2,4}(?!\d)").match(text, start)
    return ("digits", spelled(re.sub(r"\D", "", match[0])), match.end()) if match is not None else None


def read_code(text: str, start: int) -> Found | None:
    """Letters with digits behind them: a flight, a train or a model digit by digit, another code by its number."""
    match = _LETTERS.match(text, start)
    if match is None:
        return None
    letters, digits = match["letters"], match["digits"]
    following = text[match.end() : match.end() + 1]
    is_dialled = _FLIGHT.search(text[max(0, start - 4) : start]) is not None or following in ("次", "航")
    if letters in ("v", "V"):
        number = NUMBER.match(text, match.start("digits"))
        assert number is not None
        return "version", "v" + decimal(number["whole"] or "0", number["part"] or ""), number.end()
    if letters.lower() in ("no", "nr"):
        return "code", f"第{cardinal(digits)}", match.end()
    if letters in ("UTC", "GMT") and match["joint"]:
        return "code", f"{letters}减{cardinal(digits)}{match['tail']}", match.end()
    is_model = letters.isupper() and len(digits) == 3 and not digits.endswith("00")
    if is_dialled and len(digits) > 2:
        words = spelled(digits, is_phone=True)
    elif digits[0] == "0" or len(digits) > 3 or is_model:
        words = spelled(digits)
    else:
        words = cardinal(digits)
    return "code", f"{letters}{words}{match['tail']}", match.end()
