"""Signs of mathematics between terms in English: differences, quotients, bounds, powers, absolute values, operators.

Guaranteed: a dash, a bar or a slash is mathematics only between terms; elsewhere it is declined with None.
"""

from __future__ import annotations

import re

from ..symbols import symbol_name
from .numerals import cardinal, power_words
from .units import units

Found = tuple[str, str, int]

_OPERATORS = {
    "->": "to", "=>": "implies", "<-": "from", "<=": "is less than or equal to", ">=": "is greater than or equal to",
    "!=": "is not equal to", "==": "equals", "<>": "is not equal to", "+-": "plus or minus", "+/-": "plus or minus",
    "§§": "sections", "&&": "and", "||": "or", "<<": "is much less than", ">>": "is much greater than", "<->": "left right arrow",
}  # fmt: skip
_OPERATOR = re.compile("|".join(re.escape(sign) for sign in sorted(_OPERATORS, key=len, reverse=True)))
_BEFORE_BOUND = re.compile(
    r"(?:\A|\(|\b(?:of|is|are|was|were|be|been|with|at|to|for|by|in|from|than|takes?|took|only|scored?|aged?|children|adults|patients|people|"
    r"and|or|the|keep|stays?|remains?|under|costs?|have|has|had|pays?|paid|contains?|within) ?)\Z",
    re.IGNORECASE,
)
_RATE = re.compile(r"/([A-Za-zµ]{1,5})(?![\w/])")
_COUNTED_IN = re.compile(r"(?:\b[a-z]{3,}s|[⁰¹²³⁴⁵⁶⁷⁸⁹])\Z")
_QUOTIENT = re.compile(r"/ \d[\d.,]* ?=")
_BOUNDED = re.compile("[∫∑∏]([₀₁₂₃₄₅₆₇₈₉]+)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_RAISED = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", "01234567890123456789")
_BOUNDS = {"<=": "≤", ">=": "≥"}
_POWER = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+| ?\^ ?[-−]?(?:\d+|[a-z]\b)")
_SMALL_DIGITS = re.compile("[₀₁₂₃₄₅₆₇₈₉]+|[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_ABSOLUTE = re.compile(r"\|(?=[\w.²³ +−-]{1,24}\|)")
_UNSPACED_MINUS = re.compile(r"-(?:\d[\d.]*|[a-zA-Z]) ?=")
_ARROW = re.compile(r"-{1,2}>(?!>)")
_TIMES = re.compile(r"\*(?: ?(?=[\d(]))")
_TERM_BEFORE = re.compile(r"[\d)] ?\Z")
_BOUND = re.compile(r"[<>]=?|.")


def read_maths(text: str, start: int, before: str) -> Found | None:
    """A sign of mathematics at `start`: its kind, its words and its end; None for any other character."""
    char = text[start]
    arrow = _ARROW.match(text, start) if char == "-" else None
    if arrow is not None:
        return "maths", "to", arrow.end()
    if char in "-−–·":
        words = _between(text, start, before)
        return (words[0], words[1], start + 1) if words is not None else None
    is_star = char == "*" and (before == " ") == text.startswith(" ", start + 1)
    if is_star and _TIMES.match(text, start) and _TERM_BEFORE.search(text, max(0, start - 2), start):
        return "maths", "times", start + 1
    found = _slash(text, start, before) if char == "/" else None
    if found is None and char in "<>≤≥⩽⩾":
        found = _bound(text, start)
    if found is None and char in "∫∑∏":
        bounds = _BOUNDED.match(text, start)
        if bounds is not None:
            first, last = (cardinal(number.translate(_RAISED)) for number in bounds.groups())
            found = "maths", f"{symbol_name('en', char)} from {first} to {last} of", bounds.end()
    if found is None and char == "|":
        found = _bar(text, start, before)
    if found is not None:
        return found
    operator = _OPERATOR.match(text, start)
    if operator is not None:
        return "maths", _OPERATORS[operator[0]], operator.end()
    return _raised(text, start, before)


def _between(text: str, start: int, before: str) -> tuple[str, str] | None:
    """A dash or a dot between terms."""
    char = text[start]
    if char == "·":
        is_product = re.match(r" ?(?:\w\b|\d)", text[start + 1 : start + 4]) and re.search(
            r"(?:\b\w|\d|[²³)]) ?\Z", text[max(0, start - 3) : start]
        )
        return ("maths", "times") if is_product else None
    if before == " " and text[start + 1 : start + 2] == " ":
        return ("maths", "minus") if char == "−" or _is_difference(text, start) else None
    if (
        char == "-"
        and before.isalnum()
        and _UNSPACED_MINUS.match(text, start)
        and not text[start - 2 : start - 1].isalpha()
    ):
        return "maths", "minus"
    if (
        char == "-"
        and (before.isupper() or text.endswith("Rh", 0, start))
        and _GRADE_BEHIND.match(text, start)
        and _GRADE.search(text, max(0, start - 24), start)
    ):
        return "grade", "minus"
    if char == "-" and _LESS.match(text, start) and _LESS_BEFORE.search(text, max(0, start - 8), start):
        return "maths", "minus"
    if char == "–" and _JOINED.search(text, max(0, start - 6), start) and _JOINED_TO.match(text, start + 1):
        return "range", "to"
    return ("maths", "minus") if char == "−" else None


_LESS = re.compile(r"-(?:\d+[a-z]?|[a-z])(?:[)| ]|(?![\w'-]))(?<!k-12)(?<!k-12[)| ])")
_LESS_BEFORE = re.compile(r"(?:[=^(|+] ?|\^\{?)(?:\d+(?:\.\d+)?[A-Za-z]?|[A-Za-z])\Z")
_GRADE = re.compile(
    r"(?:\b(?:[Aa]n?|[Gg]rades?(?: of| is)?|[Gg]ot|[Gg]ets?|[Tt]ypes?|[Ss]cored?|[Ee]arned|[Rr]eceived|[Rr]ated|blood|group|[A-DFO][+-] (?:to|or|and))[: ] ?(?:an? )?|\bRh ?|\A)(?:AB|[A-DFO])\Z|\bRh\Z"
)
_GRADE_BEHIND = re.compile(r"-(?=[.,;:!?)]|\s*\Z| (?!(?:and|or|to) [A-Z]-\w))")
_JOINED = re.compile(r"(?:\d ?(?:BCE?|AD|CE)|\[\d{1,3}\])\Z|\b(?:[A-Z]\d{1,3}|\d{1,3}(?:st|nd|rd|th))\Z")
_JOINED_TO = re.compile(r"\[\d{1,3}\]|\d{1,5} ?(?:BCE?|AD|CE)\b|[A-Z]?\d{1,3}(?:st|nd|rd|th)?\b")


def _slash(text: str, start: int, before: str) -> Found | None:
    """A slash that divides, or that says what something is counted per."""
    tail = text[start + 1 : start + 3]
    if _QUOTIENT.match(text, start) and re.search(r"\d \Z", text[max(0, start - 2) : start]):
        return "maths", "divided by", start + 1
    if before.isdigit() and re.match(r"[a-z](?![A-Za-z.])(?<![shd])", tail):
        return "maths", "over", start + 1
    rate = _RATE.match(text, start)
    if rate is not None and rate[1] in units() and _COUNTED_IN.search(text, max(0, start - 24), start):
        return "unit", f"per {units()[rate[1]].one}", rate.end()
    head = text[max(0, start - 5) : start]
    is_quotient = (re.search(r"[=+−] ?−?[a-z0-9]\Z", head) and re.match(r"[a-z](?!\w)", tail)) or (
        re.search(r"\d[abnxyz]\Z", head) and re.match(r"\d", tail)
    )
    return ("maths", "over", start + 1) if is_quotient else None


def _bound(text: str, start: int) -> Found | None:
    """A comparison without a first term, as in "aged ≥65"."""
    match = _BOUND.match(text, start)
    assert match is not None
    if not re.match(r" ?[$€£]?\.?\d", text[match.end() : match.end() + 4]):
        return None
    if _BEFORE_BOUND.search(text, max(0, start - 16), start) is None:
        return None
    return "maths", symbol_name("en", _BOUNDS.get(match[0], match[0])).removeprefix("is "), match.end()


def _bar(text: str, start: int, before: str) -> Found | None:
    """A bar of a probability or of an absolute value."""
    if re.search(r"\bP ?\([^()|]{1,24}\Z", text[max(0, start - 28) : start]):
        return "maths", "given", start + 1
    if _ABSOLUTE.match(text, start) is None or before.isalnum():
        return None
    close = text.index("|", start + 1)
    value = text[start + 1 : close]
    number = re.fullmatch(r"([-−]?)(\d+)", value)
    if number is not None:
        value = f"{'minus ' * bool(number[1])}{cardinal(number[2])}"
    is_word = value.replace(" ", "").replace("-", "").isalpha()
    return ("maths", f"the absolute value of {value}", close + 1) if is_word else None


def _raised(text: str, start: int, before: str) -> Found | None:
    """An exponent, the base of a logarithm, or other digits above or below the line."""
    power = _POWER.match(text, start)
    if power is not None and text[start] != "^" and not before.isalnum() and before != ")":
        mass = re.match(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+(?=[A-Z])", text[start : start + 6])
        if mass is not None:
            return "number", cardinal(mass[0].translate(_RAISED)), start + mass.end()
    if (
        power is not None
        and (before in ")] " or before.isalnum())
        and not re.search(r"[^\W\d]{3}\Z", text[max(0, start - 3) : start])
    ):
        return "maths", _power(power[0]), power.end()
    digits = _SMALL_DIGITS.match(text, start)
    if digits is None:
        return None
    words = cardinal(digits[0].translate(_RAISED))
    if text.endswith("log", 0, start):
        words = f"base {words}" + (" of" if text[digits.end() : digits.end() + 1] not in ("(", "") else "")
    return "number", words, digits.end()


def _is_difference(text: str, start: int) -> bool:
    """Whether a spaced hyphen is a minus: between terms of which one is a number, with an equals sign or another term."""
    head, tail = text[max(0, start - 16) : start], text[start + 1 : start + 18]
    if not re.search(r"(?:\d|\b[a-zA-Z]|[)²³]) \Z", head) or not re.match(r" (?:\d|[a-zA-Z]\b|[(√])", tail):
        return False
    return (
        re.match(r" [\w.²³]+(?:\s*[=<>≤≥≠≈+×÷*/]| - | (?:is|equals|gives|makes)\b)", tail) is not None
        or re.search(r"[=+×÷*/] ?[\w.²³]+ \Z", head) is not None
    )


def _power(found: str) -> str:
    if "^" in found and found[-1].isalpha():
        return f"to the power of {found[-1]}"
    found = found.replace(" ", "")
    sign = found[0] if found[0] in "⁻⁺" else found[1] if found[0] == "^" and found[1] in "-−" else ""
    return power_words(sign, found.lstrip("^⁻⁺-−"))
