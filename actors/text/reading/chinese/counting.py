"""What is counted in Chinese: measure words, before which 2 is 两, and two numbers in a row as in 两三个."""

from __future__ import annotations

import re

from .numerals import DIGITS

MEASURES = frozenset(
    "个個只隻条條本张張位件块塊台臺次天年岁歲杯瓶斤家间間层層名座辆輛双雙对對倍种種头頭棵把碗句页頁章节節项項门門部幅颗顆"
    "场場套群片支枝人餐盒袋包箱份米元角里公克千万萬亿億小分秒周星月匹架艘朵滴步点點吨噸升栋棟桶毛封粒壶串轮輪声聲寸尺株盆勺"
    "晚夜集道趟遍笔筆股户戶扇届屆"
)
_LONG = re.compile("平方|立方|[厘毫]米|毫[升克]|英[里寸尺镑鎊]|海里|光年|[美欧歐日港澳加]元|卢布|法郎")
_NO_MEASURE = re.compile(
    r"年[级級]|元(?:[一二三]次|方程)|次[元方函曲]|人[转轉]|分之|[项項]式|[声聲][调調]|[届屆](?=[中全])|[栋棟](?=[\d一二三四五六七八九单單])"
)
_PAIR = re.compile(r"(?P<first>[1-9])、(?P<second>[2-9])(?![\d、.])")


def is_counted(text: str, end: int, before: str) -> bool:
    """Whether a measure word follows a number that ends at `end`; one behind 第 is an ordinal."""
    following = text[end : end + 1]
    if before.endswith("第") or following in "月日号號" or _NO_MEASURE.match(text, end) is not None:
        return False
    return following in MEASURES or _LONG.match(text, end) is not None


def read_pair(text: str, start: int) -> tuple[str, str, int] | None:
    """One number or the next, as in "2、3个"."""
    match = _PAIR.match(text, start)
    if match is None or int(match["second"]) != int(match["first"]) + 1:
        return None
    before = text[max(0, start - 1) : start]
    if (
        before in ("、", "第")
        or (match["first"] == "1" and before in ("", "\n"))
        or before.isdigit()
        or not is_counted(text, match.end(), before)
    ):
        return None
    # "1、" at the start of a line is the number of an item.
    words = "".join(DIGITS[int(digit)] for digit in match.group("first", "second"))
    return "number", {"一二": "一两", "二三": "两三"}.get(words, words), match.end()
