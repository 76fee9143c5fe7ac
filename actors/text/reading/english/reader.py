"""English as it is said: the one pass over a text that finds what is not said as it is written.

Guaranteed: the spans are in order and do not overlap; every letter that is not Latin, every digit and every symbol lies
in one; the time grows with the length of the text. A chunk between spaces that is a plain word is looked up once and
passed over, so that plain text costs little.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from ..addresses import find_address
from ..emoticons import EMOTICON_STARTS, find_emoticon, may_be_emoticon
from ..records import FOREIGN, Span
from ..symbols import emoji_name, emoji_pattern, greek_name, run_end, symbol_name
from .abbreviations import abbreviations
from .addresses import address_words, tag_words
from .dates import DAYS, MONTH_WORDS, decade, short_year
from .money import currencies, money_in_front
from .numbers import VULGAR
from .numerals import cardinal, spelled
from .numeric import power_words, read_numeric
from .roads import ROAD_NAMES
from .units import units
from .words import FLOORS, LATIN, NUMBERED, WORD, counted_names, is_vowelless, read_word

_CHUNK = re.compile(r"\S+")
_PLAIN = re.compile(
    rf"[\"'“‘(\[«¿¡„]*(?P<word>[{LATIN}]?[a-zà-öø-ÿ]*)(?:['’‑-][a-zà-öø-ÿ]+)*['’]?(?P<end>[,;:!?.…)\]\"'”’»—–-]*)\Z"
)
_HINT = re.compile(r"\w[@./:\\]+[\w/]|://|www\.|[~.]?/\w|\\\w")
_LETTER = re.compile(rf"[{LATIN}]")
_SHOUTED = re.compile(r"(?:(?<![\w'])[A-Z][A-Z']+(?![\w'])(?:[ ,!;:]+(?:[AI][ ,]+)?|[.?!]*\Z)){3,}")
_SHOUTED_WORD = re.compile(r"(?<!\w)[A-Z][A-Z']+(?!\w)")
_MONEY = re.compile(
    r"[-−–+]*(?:[^\W\d_]{0,3}[$€£¥₹₩₽₺₴₪₫₱₦₡₲₵₸₮₭฿₼₾֏៛৳₿₣₤₧₨￥￦¢]|[A-Z]{3} ?\d|kr\.? ?\d|[FKRDzS][A-Za-zčł$.]{0,3} ?\d)"
)
_TAG = re.compile(r"#(?=[^\W\d]|\d+[A-Za-z_])[\w-]*\w|@\w[\w.-]*\w|@\w")
_NUMBERED_CODE = re.compile(r"#(?P<code>(?=[A-Z\d-]*\d)[A-Z\d]+(?P<dash>(?:-[A-Z\d]+)+)?)(?![\w])(?<!#)(?<!#[A-Z])")
_CODE_PIECES = re.compile(r"[A-Z]|\d+")
_ORDERED = re.compile(
    r"\b(?:order|part|item|model|ticket|case|invoice|serial|code|ref|reference|tracking|batch|lot|unit|room|seat|gate|flight|confirmation|"
    r"booking|claim|policy|account|sku|number|locker|bay|bin|slot|receipt|po)s?:? \Z",
    re.IGNORECASE,
)
_STARS = re.compile(r"(?P<full>★{1,5}|⭐{2,5})(?P<half>½?)(?P<empty>☆{0,4})(?<=..)(?![★☆⭐])")
_SILENT = frozenset(
    "\"'“”„«»‹›()[]{}.,;:!?…—–-¿¡‐‒―·`‖、。「」『』〈〉《》【】，．：；！？（）\u200c\u200d\ufe0e\ufe0f"
)
_FORMATS = frozenset("Mn Mc Me Cc Cf Cs Zs Zl Zp Pc Pd Ps Pe Pi Pf Po".split())
_LINE = re.compile(r"([^\w\s])\1{2,}")
_OPERATORS = {
    "->": "to", "=>": "implies", "<-": "from", "<=": "is less than or equal to", ">=": "is greater than or equal to",
    "!=": "is not equal to", "==": "equals", "<>": "is not equal to", "+-": "plus or minus", "+/-": "plus or minus",
    "&&": "and", "||": "or", "<<": "is much less than", ">>": "is much greater than", "<->": "left right arrow",
}  # fmt: skip
_OPERATOR = re.compile("|".join(re.escape(sign) for sign in sorted(_OPERATORS, key=len, reverse=True)))
_DIGITS = frozenset("0123456789")
_SIGNS = frozenset("-−–+±~∼≈")
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e4e"
)
_ODD_LETTER = rf"(?![{LATIN}²³¹¼-¾⁰-₉⅐-↉①-⓿❶-➓])[^\W\d_]"
_FOREIGN = re.compile(
    rf"(?:{_ODD_LETTER}|[{_MARKS}])(?:{_ODD_LETTER}|[{_MARKS}]|(?<=\w)['’\u200c\u200d](?={_ODD_LETTER}))*"
)
_CROSS = re.compile(r"[xX×] (?=\.?\d)")
_MEASURED = re.compile(r"× [\d.]+ ?(?:cm|mm|m|ft|in|inch|inches|feet|px)\b")
_UNSPACED_MINUS = re.compile(r"-(?:\d[\d.]*|[a-zA-Z]) ?=")
_SIDE = re.compile(r"(?:\d|\d ?(?:cm|mm|m|ft|in|inches|feet|px|\"|″|'|′)|(?<![=+×]) \d+) \Z")


class EnglishReader:
    """English of one locale.

    Args:
        is_british: The day comes before the month where a date in digits leaves it open
    """

    def __init__(self, *, is_british: bool = False) -> None:
        self._is_day_first = is_british

    def spans(self, text: str) -> Iterator[Span]:
        """What is said otherwise than it is written, in order."""
        shouted = _shouted_spans(text)
        done = 0
        for chunk in _CHUNK.finditer(text):
            end = chunk.end()
            if end <= done or (_is_plain(chunk[0]) and chunk.start() >= done):
                continue
            position = max(done, chunk.start())
            has_address = _HINT.search(chunk[0]) is not None
            while position < end:
                span = self._read(text, position, shouted, has_address=has_address)
                if span is None:
                    position = _past(text, position)
                    continue
                yield span
                position = done = span.end
            done = max(done, position)

    def _read(self, text: str, start: int, shouted: list[tuple[int, int]], *, has_address: bool) -> Span | None:
        """The span that begins at `start`; None where a plain word or mark does."""
        char = text[start]
        before = text[start - 1] if start else " "
        if char in EMOTICON_STARTS:
            emoticon = find_emoticon(text, start, "en")
            if emoticon is not None:
                return Span(start, emoticon[1], "emoji", emoticon[0])
        is_inside = before.isalnum() or before == "_"
        if has_address and not is_inside:
            found = find_address(text, start)
            if found is not None and not (found[0] in ("ip", "host", "file") and before in "$€£#"):
                kind, end = found
                return Span(start, end, kind, address_words(kind, text[start:end]))
        if not is_inside and _MONEY.match(text, start):
            amount = money_in_front(text, start)
            if amount is not None:
                return Span(start, amount.end, "money", amount.words)
        if (
            char in _DIGITS
            or (char == "." and text[start + 1 : start + 2].isdigit() and not is_inside)
            or char in VULGAR
        ):
            return self._number(text, start)
        if char in _SIGNS or char == "(":
            found = self._number(text, start) if char != "(" or _is_area_code(text, start) else None
            if found is not None:
                return found
        if (
            char in "xX×"
            and before == " "
            and _CROSS.match(text, start)
            and _SIDE.search(text, max(0, start - 12), start)
        ):
            is_product = re.match(r"[xX×] [\d.]+ ?=", text[start : start + 16]) is not None
            is_size = char != "×" or _MEASURED.match(text, start) or text[start - 2] in "mtnx\"″'′"
            return Span(start, start + 1, "size", "by" if is_size and not is_product else "times")
        if _LETTER.match(char):
            is_shouted = bool(shouted) and any(first <= start < last for first, last in shouted)
            unit = _bare_unit(text, start) if not is_inside else None
            if unit is not None:
                return unit
            read = read_word(text, start, is_shouted=is_shouted) if not before.isalpha() and before != "'" else None
            return Span(start, read[2], read[0], read[1]) if read is not None else None
        return _symbol(text, start, before)

    def _number(self, text: str, start: int) -> Span | None:
        found = read_numeric(text, start, is_day_first=self._is_day_first)
        return Span(start, found[2], found[0], found[1]) if found is not None else None


@lru_cache(maxsize=65_536)
def _is_plain(chunk: str) -> bool:
    """Whether a chunk between spaces is a word, with its marks, that is said as it is written wherever it stands."""
    match = _PLAIN.match(chunk)
    if match is None or may_be_emoticon(chunk):
        return False
    word = match["word"]
    if not word:
        return chunk in ("—", "…") or (chunk not in "-–" and not any(char not in _SILENT for char in chunk))
    if len(word) == 1 and ((word.isupper() and word not in "AI") or word in "ivx"):
        return False
    if word in _BARE_CANDIDATES or chunk.strip("\"'“‘([«,;:!?)]”’».") in _BARE_CANDIDATES:
        return False
    if is_vowelless(word) or re.fullmatch("[ivxl]+", word) or (word[0].isupper() and word in _month_words()):
        return False
    return "." not in match["end"] or not (word in abbreviations() or len(word) == 1)


_BARE_CANDIDATES = frozenset(
    [
        *(name for name, entries in abbreviations().items() if any(entry.when == "bare" for entry in entries)),
        *(symbol.rstrip(".") for symbol in currencies() if symbol[0].isalpha()),
        *counted_names(),
        *NUMBERED,
        *ROAD_NAMES,
        *FLOORS,
    ]
)


def _month_words() -> frozenset[str]:
    return MONTH_WORDS | frozenset(DAYS)


def _past(text: str, start: int) -> int:
    """Behind the plain word or mark at `start`."""
    match = WORD.match(text, start)
    return match.end() if match is not None else start + 1


def _is_area_code(text: str, start: int) -> bool:
    return text[start + 1 : start + 4].isdigit() and text[start + 4 : start + 5] == ")"


def _shouted_spans(text: str) -> list[tuple[int, int]]:
    """Where words in capitals are no acronyms: a text without small letters, or a run of at least three words."""
    if text.isupper():
        words = _SHOUTED_WORD.findall(text)
        return [(0, len(text))] if len(words) > 1 or any(len(word) > 4 for word in words) else []
    return [match.span() for match in _SHOUTED.finditer(text)] if _SHOUTED_WORD.search(text) else []


def _bare_unit(text: str, start: int) -> Span | None:
    """Units without a number: "km/h"."""
    match = re.compile(r"(?P<over>[A-Za-zµ]{1,3})/(?P<under>[a-z]{1,3})(?!\w)").match(text, start)
    if match is None or match["over"] not in units() or match["under"] not in units():
        return None
    return Span(start, match.end(), "unit", f"{units()[match['over']].other} per {units()[match['under']].one}")


def _symbol(text: str, start: int, before: str) -> Span | None:
    """A symbol, an emoji, or letters of another script."""
    char = text[start]
    stars = _STARS.match(text, start)
    if stars is not None:
        return Span(start, stars.end(), "rating", _star_words(stars))
    emoji = None if char in _SILENT or char.isascii() else emoji_pattern("en").match(text, start)
    if emoji is not None and char not in "©®™":
        return Span(start, run_end(text, emoji), "emoji", emoji_name("en", emoji[0]))
    line = _LINE.match(text, start)
    if line is not None:
        return Span(start, line.end(), "line", "...") if line[1] != "." else None
    if char == "'":
        years = decade(text, start) or short_year(text, start)
        return Span(start, years[1], "year", years[0]) if years is not None and not before.isalnum() else None
    if char in "-−–" and before == " " and text[start + 1 : start + 2] == " ":
        return Span(start, start + 1, "maths", "minus") if char == "−" or _is_difference(text, start) else None
    if char == "." and not before.strip() and text[start + 1 : start + 2].isalpha():
        return Span(start, start + 1, "symbol", "dot")
    if (
        char == "-"
        and before.isalnum()
        and _UNSPACED_MINUS.match(text, start)
        and not text[start - 2 : start - 1].isalpha()
    ):
        return Span(start, start + 1, "maths", "minus")
    if char == "…" and before.isalnum() and text[start + 1 : start + 2].isalnum():
        return Span(start, start + 1, "line", "...")
    if (
        char == "·"
        and re.match(r" ?(?:\w\b|\d)", text[start + 1 : start + 4])
        and re.search(r"(?:\b\w|\d|[²³)]) ?\Z", text[max(0, start - 3) : start])
    ):
        return Span(start, start + 1, "maths", "times")
    if char in _SILENT:
        return None
    operator = _OPERATOR.match(text, start)
    if operator is not None:
        return Span(start, operator.end(), "maths", _OPERATORS[operator[0]])
    code = _NUMBERED_CODE.match(text, start)
    if code is not None and not before.isalnum() and (code["dash"] or _ORDERED.search(text, max(0, start - 24), start)):
        return Span(start, code.end(), "code", f"number {_code_words(code['code'])}")
    tag = _TAG.match(text, start)
    if tag is not None and not before.isalnum():
        sign = "hashtag" if char == "#" else "at"
        return Span(start, tag.end(), "tag", f"{sign} {tag_words(tag[0][1:])}")
    if char == "#" and text[start + 1 : start + 2].isdigit():
        return Span(start, start + 1, "symbol", "number")
    if char == "№":
        end = start + 1 + (text[start + 1 : start + 2] == " ")
        return Span(start, end, "symbol", "number")
    if char == "#" and re.search(r"(?<!\w)[A-GJ]\Z", text[max(0, start - 2) : start]):
        return Span(start, start + 1, "symbol", "sharp")
    inside = re.compile(r"\|(?=[\w.²³ +-]{1,24}\|)").match(text, start)
    if inside is not None and not before.isalnum():
        close = text.index("|", start + 1)
        words = f"the absolute value of {text[start + 1 : close]}" if text[start + 1 : close].isalpha() else ""
        if words:
            return Span(start, close + 1, "maths", words)
    power = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+| ?\^ ?[-−]?(?:\d+|[a-z]\b)").match(text, start)
    if (
        power is not None
        and (before in ")] " or before.isalnum())
        and not re.search(r"[^\W\d]{3}\Z", text[max(0, start - 3) : start])
    ):
        return Span(start, power.end(), "maths", _power(power[0], text, start))
    if char in "₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹":
        from .numerals import cardinal

        digits = re.compile("[₀₁₂₃₄₅₆₇₈₉]+|[⁰¹²³⁴⁵⁶⁷⁸⁹]+").match(text, start)
        assert digits is not None
        plain = digits[0].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", "01234567890123456789"))
        return Span(start, digits.end(), "number", cardinal(plain))
    if char.isalpha() and char.isascii() is False:
        return _letters(text, start)
    emoji = emoji_pattern("en").match(text, start)
    if emoji is not None:
        return Span(start, run_end(text, emoji), "emoji", emoji_name("en", emoji[0]))
    if char in currencies():
        return Span(start, start + 1, "symbol", currencies()[char].one)
    name = symbol_name("en", char)
    if name:
        return Span(start, start + 1, "symbol", name)
    foreign = _FOREIGN.match(text, start)
    if foreign is not None:
        return Span(start, foreign.end(), FOREIGN, foreign[0])
    # Marks without a letter, and what formats others, are nothing to say.
    return None if unicodedata.category(char) in _FORMATS else Span(start, start + 1, FOREIGN, char)


def _star_words(match: re.Match[str]) -> str:
    full, empty = len(match["full"]), len(match["empty"])
    head = cardinal(str(full)) + (" and a half" if match["half"] else "")
    if empty:
        return f"{head} out of {cardinal(str(full + empty + bool(match['half'])))} stars"
    return f"{head} {'star' if full == 1 and not match['half'] else 'stars'}"


def _code_words(code: str) -> str:
    """A code behind a number sign: letters and digits one by one, a comma for its dashes."""
    groups = [
        " ".join(spelled(piece) if piece.isdigit() else piece for piece in _CODE_PIECES.findall(group))
        for group in code.split("-")
    ]
    return ", ".join(groups)


def _is_difference(text: str, start: int) -> bool:
    """Whether a spaced hyphen is a minus: between terms of which one is a number, with an equals sign or another term."""
    head, tail = text[max(0, start - 16) : start], text[start + 1 : start + 18]
    if not re.search(r"(?:\d|\b[a-zA-Z]|[)²³]) \Z", head) or not re.match(r" (?:\d|[a-zA-Z]\b|[(√])", tail):
        return False
    return (
        re.match(r" [\w.²³]+(?:\s*[=<>≤≥≠≈+×÷*/]| - | (?:is|equals|gives|makes)\b)", tail) is not None
        or re.search(r"[=+×÷*/] ?[\w.²³]+ \Z", head) is not None
    )


def _power(found: str, text: str, start: int) -> str:
    if "^" in found and found[-1].isalpha():
        return f"to the power of {found[-1]}"
    found = found.replace(" ", "")
    sign = found[0] if found[0] in "⁻⁺" else found[1] if found[0] == "^" and found[1] in "-−" else ""
    return power_words(sign, found.lstrip("^⁻⁺-−"))


def _letters(text: str, start: int) -> Span:
    """A Greek letter by its name, alone or before a Latin one; else a word of another script."""
    match = _FOREIGN.match(text, start)
    end = match.end() if match is not None else start + 1
    if end == start + 1 and (text[start] == "µ" or greek_name(text[start])):
        name = "mu" if text[start] == "µ" else greek_name(text[start])
        return Span(start, end, "greek", name)
    name = symbol_name("en", text[start])
    if name and end == start + 1:
        return Span(start, end, "symbol", name)
    return Span(start, end, FOREIGN, text[start:end])
