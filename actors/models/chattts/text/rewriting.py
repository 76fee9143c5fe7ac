"""What the rules for numbers lack or get wrong, written so that they read it right: by patterns, before and after.

Guarantees time linear in the text: every pattern begins where none of its kind is under way, or is bounded. Knows
nothing of the rules themselves, nor of what a model can read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

Language = Literal["en", "zh"]
Said = str | Callable[[re.Match[str]], str]


def _named_by(pairs: str) -> dict[str, str]:
    """Names by symbol, from such as "& and, + plus"."""
    return {pair[0]: pair[2:] for pair in pairs.split(", ")}


_NAMES: dict[Language, dict[str, str]] = {
    "en": _named_by(
        "& and, + plus, = equals, @ at, # number, × times, ÷ divided by, ± plus or minus, ≈ about, ≠ is not, "
        "≤ at most, ≥ at least, ² squared, ³ cubed, % percent, ‰ per mille, ° degrees, $ dollars, £ pounds, € euros, "
        "¥ yen, ¢ cents, ₹ rupees, № number"
    ),
    "zh": _named_by(
        "& 和, + 加, = 等于, @ 艾特, # 井号, × 乘, ÷ 除以, ± 正负, ≈ 约, ≠ 不等于, ≤ 小于等于, "
        "≥ 大于等于, ² 平方, ³ 立方, % 百分号, ‰ 千分号, ° 度, $ 美元, £ 英镑, € 欧元, ¥ 元, ¢ 美分, ₹ 卢比, № 编号"
    ),
}
_READ_BY_RULES: dict[Language, str] = {"en": "%°$£€¥", "zh": "&+=@#×÷%°$£€¥"}
"""Symbols that the rules read where they stand by a number; they are named only where they are left."""
_IN_ADDRESSES: dict[Language, dict[str, str]] = {
    "en": _named_by(
        ". dot, @ at, / slash, - dash, _ underscore, : colon, ? question mark, = equals, & and, # hash, % percent, "
        "+ plus, ~ tilde"
    ),
    "zh": _named_by(
        ". 点, @ 艾特, / 斜杠, - 杠, _ 下划线, : 冒号, ? 问号, = 等于, & 和, # 井号, % 百分号, + 加, ~ 波浪号"
    ),
}
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_.+-])(?:"
    r"[A-Za-z0-9_.+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)+"
    r"|(?:https?://|www\.)[A-Za-z0-9._~:/?#@&+=%-]*[A-Za-z0-9]"
    r"|[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*\.(?:com|org|net|edu|gov|io|cn|uk|de)(?:/[A-Za-z0-9._~/?#&+=%-]*[A-Za-z0-9])?"
    r")(?![A-Za-z0-9])"
)
_SCALE = r"(?: (?:thousand|[mbtr]{1,2}illion)\b)?"
_UNIT = re.compile(r" ?(?:km|cm|mm|kg|g|ml|lbs?|ft|mi|mph|kW|MB|GB)\b| ?[%°]")
_CENTS = {"$": ("cent", "cents"), "€": ("cent", "cents"), "£": ("penny", "pence")}
_WHO = r"(?<![A-Za-z])(s?he|it|that|there|what|who|where|here|how)"
_WOULD = r"(?<![A-Za-z])(i|you|s?he|it|we|they|who|there|that)"


def _letters(match: re.Match[str]) -> str:
    return " ".join(char for char in match[0] if char.isalpha())


def _price(match: re.Match[str]) -> str:
    currency, whole, part = match[1], match[2], int(match[3])
    cents = f"{part} {_CENTS[currency][part != 1]}"
    if not whole.strip("0"):
        return cents
    return f"{currency}{whole} and {cents}" if part else f"{currency}{whole}"


def _thousand(match: re.Match[str]) -> str:
    """1,000 to 1,999: the rules say "thousand" for them without the one, or "ten hundred" for 1000."""
    sign, currency, comma, rest, part, scale = match.groups()
    if not (sign or currency or comma or part or rest == "000"):
        return match[0]  # it may be a year
    if rest == "000" and not currency and _UNIT.match(match.string, match.end()):
        return f"{sign}1000{part}"
    below = int(rest)
    digits = f" {below}{part}" if below else f" point {' '.join(part[1:])}" if part else ""
    number = f"{sign}1 thousand{' and' if 0 < below < 100 else ''}{digits}{scale}"
    return f"{number} {_NAMES['en'][currency]}" if currency else number


def _patterns(*rules: tuple[str, Said]) -> Sequence[tuple[re.Pattern[str], Said]]:
    return [(re.compile(pattern, re.ASCII), said) for pattern, said in rules]


_CONTRACTIONS = _patterns(
    (r"(?i)(?<![a-z])(ca)n't(?![a-z])", r"\1nnot"),
    (r"(?i)(?<![a-z])(w)on't(?![a-z])", r"\1ill not"),
    (r"(?i)(?<![a-z])(sha)n't(?![a-z])", r"\1ll not"),
    (r"(?i)(?<=[a-z])(?<!ai)n't(?![a-z])", " not"),
    (r"(?i)(?<=[a-z])'re(?![a-z])", " are"),
    (r"(?i)(?<=[a-z])'ve(?![a-z])", " have"),
    (r"(?i)(?<=[a-z])'ll(?![a-z])", " will"),
    (r"(?i)(?<![a-z])i'm(?![a-z])", "I am"),
    (r"(?i)(?<![a-z])(let)'s(?![a-z])", r"\1 us"),
    (rf"(?i){_WHO}'s(?= (?:been|got)\b)", r"\1 has"),
    (rf"(?i){_WHO}'s(?![a-z])", r"\1 is"),
    (rf"(?i){_WOULD}'d(?= (?:been|better|had)\b)", r"\1 had"),
    (rf"(?i){_WOULD}'d(?![a-z])", r"\1 would"),
    (r"(?i)(?<![a-z])o'clock(?![a-z])", "o clock"),
    (r"(?<=[0-9])'|'(?=[0-9])", " "),
)
_BEFORE = _patterns(
    (r"([=*#+~_-])\1{2,}", ", "),  # a line that is drawn
    (r"(?<=[0-9]) ?([AaPp])\.[Mm]\.?(?![A-Za-z])", r" \1m"),
    (r"(?<![A-Za-z.])[A-Za-z]\.(?: ?[A-Za-z]\.(?![A-Za-z]{2}))+", _letters),
    (r"(?<=[0-9])\s?–\s?(?=[0-9])", "-"),
    (r"(?<=[A-Za-z])-(?=[0-9])|(?<=[0-9])-(?=[A-Za-z])", " "),
    (r"([0-9] ?[ckmd]?m)²", r"\g<1>2"),
    (r"([0-9] ?[ckmd]?m)³", r"\g<1>3"),
    (r"(?<![0-9.])([0-9]++(?:\.[0-9]++)?)([$£€¥])(?![0-9])", r"\2\1"),
)
_BEFORE_LANGUAGE = {
    "en": _patterns(
        (r"(?<![A-Za-z])[Nn]o\. ?(?=[0-9])", "number "),
        (r"\(([0-9]{3})\) ?(?=[0-9]{3}[-.][0-9]{4})", r"\1-"),
        (r"([$£€])([0-9][0-9,]{0,20})\.([0-9]{2})(?![0-9]| ?(?:k|m|bn|thousand|[mbtr]{1,2}illion)\b)", _price),
        (r"\b(1[0-9]{3}|20[0-9]{2}) ?- ?(?=(?:1[0-9]{3}|20[0-9]{2})\b)", r"\1 to "),
        (
            r"(?<![0-9,.$£€¥])((?:(?<!\S)-)?+)([$£€¥]?+)1(,?)([0-9]{3})((?:\.[0-9]{1,40}+)?+)"
            rf"({_SCALE})(?![0-9]|,[0-9])",
            _thousand,
        ),
        (r"\b(1[0-9])00s\b", r"\1 hundreds"),
        (r"\b(1[1-9]|20)([2-9]0)s\b", r"\1 \2s"),
        (r"(?<=[0-9]) ?m\b(?![/'2-9])", " meters"),
        (r"(?<=[0-9CF%°])\s?~\s?(?=-?[0-9])", " to "),
        (r"~\s?(?=[0-9])", "about "),
        (r"(?<=[0-9])\s?\*\s?(?=[0-9])", " times "),
        (r"#(?=[A-Za-z])", "hash "),
    ),
    "zh": _patterns(
        (r"(?<![A-Za-z])[Nn]o\. ?(?=[0-9])", "编号"),
        (r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})++(?![,0-9])", lambda match: match[0].replace(",", "")),
        (r"(?<![A-Za-z0-9.])\.(?=[0-9])", "0."),
        (r"\b(1[0-9]|20)([0-9]0)s\b", r"\1\2年代"),
        (r"\b([0-9]{1,9})(?:st|nd|rd|th)\b", r"第\1"),
        (r"(?<=[0-9CF%°])\s?~\s?(?=-?[0-9])", "~"),
        (r"(?<=[0-9])\s?\*\s?(?=[0-9])", "×"),
    ),
}


def rewritten(text: str, language: Language) -> str:
    """The text before the rules are asked: contractions in full, addresses, prices and symbols in words."""
    text = _ADDRESS.sub(lambda match: _address(match[0], language), text)
    rules = (*(_CONTRACTIONS if "'" in text else ()), *_BEFORE, *_BEFORE_LANGUAGE[language])
    for pattern, said in rules:
        text = pattern.sub(said, text)
    return _named(text, language, but=_READ_BY_RULES[language])


def symbols_named(text: str, language: Language) -> str:
    """The text after the rules were asked: symbols that they left, in words."""
    return _named(text, language)


def _named(text: str, language: Language, but: str = "") -> str:
    around = " " if language == "en" else ""
    names = {ord(char): f"{around}{name}{around}" for char, name in _NAMES[language].items() if char not in but}
    return text.translate(names)


def _address(address: str, language: Language) -> str:
    """Every mark of an address by its name, and every digit by itself."""
    names = _IN_ADDRESSES[language]
    marked = "".join(f" {names[char]} " if char in names else char for char in address)
    return re.sub(r"(?<=[0-9])(?=[A-Za-z0-9])|(?<=[A-Za-z])(?=[0-9])", " ", marked)
