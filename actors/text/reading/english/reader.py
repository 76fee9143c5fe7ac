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
from ..analyser import analyse
from ..emoticons import EMOTICON_STARTS, find_emoticon, may_be_emoticon
from ..records import FOREIGN, Span
from ..symbols import emoji_name, emoji_pattern, greek_name, run_end, symbol_name
from .abbreviations import abbreviations
from .addresses import address_words
from .citations import CITED
from .dates import DAYS, MONTH_WORDS, decade, short_year
from .maths import read_maths
from .money import currencies, money_in_front
from .numbers import VULGAR
from .numeric import read_numeric
from .roads import ROAD_NAMES
from .signs import read_numbered, read_stars
from .tex import find_tex
from .units import units
from .words import BOOKS, FLOORS, LATIN, NUMBERED, WORD, counted_names, is_vowelless, read_word

_CHUNK = re.compile(r"\S+")
_PLAIN = re.compile(
    rf"[\"'“‘(\[«¿¡„]*(?P<word>[{LATIN}]?[a-zà-öø-ÿ]*)(?:['’‑-][a-zà-öø-ÿ]+)*['’]?(?P<end>[,;:!?.…)\]\"'”’»—–-]*)\Z"
)
_HINT = re.compile(r"\w[@./:\\]+[\w/]|://|www\.|[~.]?/\w|\\\w|[~.]/\.?\w")
_LETTER = re.compile(rf"[{LATIN}]")
_SHOUTED = re.compile(r"(?:(?<![\w'])[A-Z][A-Z']+(?![\w'])(?:[ ,!;:]+(?:[AI][ ,]+)?|[.?!]*\Z)){3,}")
_SHOUTED_WORD = re.compile(r"(?<!\w)[A-Z][A-Z']+(?!\w)")
_MONEY = re.compile(
    r"[-−–+]*(?:[^\W\d_]{0,3}[$€£¥₹₩₽₺₴₪₫₱₦₡₲₵₸₮₭฿₼₾֏៛৳₿₣₤₧₨￥￦¢]|[A-Z]{3} ?\d|kr\.? ?\d|[FKRDzS][A-Za-zčł$.]{0,3} ?\d)"
)
_SILENT = frozenset(
    "\"'“”„«»‹›()[]{}.,;:!?…—–-¿¡‐‒―·`‖、。「」『』〈〉《》【】，．：；！？（）\u200c\u200d\ufe0e\ufe0f"
)
_FORMATS = frozenset("Mn Mc Me Cc Cf Cs Zs Zl Zp Pc Pd Ps Pe Pi Pf Po".split())
_LINE = re.compile(r"([^\w\s])\1{2,}")
_DIGITS = frozenset("0123456789")
_SIGNS = frozenset("-−–+±~∼≈")
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e4e"
)
_ODD_LETTER = rf"(?![{LATIN}²³¹¼-¾⁰-₉⅐-↉①-⓿❶-➓])[^\W\d_]"
_FOREIGN = re.compile(
    rf"(?:{_ODD_LETTER}|[{_MARKS}])(?:{_ODD_LETTER}|[{_MARKS}]|(?<=\w)['’\u200c\u200d](?={_ODD_LETTER}))*"
)
_COPYRIGHT = re.compile(r"\([cC]\)(?= (?:19|20)\d\d(?!\d))")
_ITEM_BEFORE = re.compile(r"\([bB]\) ")
_COURSE = re.compile(r"[xX] ?(?=\d+ ?(?:d|days?|wks?|weeks?|months?|mos?|yrs?|years?)\b)")
_CROSS = re.compile(r"[xX×] (?=\.?\d)")
_PRODUCT = re.compile(r"[xX×] (?:[\d.]+ ?=|10(?:\^|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]))")
_MEASURED = re.compile(r"× [\d.]+ ?(?:cm|mm|m|ft|in|inch|inches|feet|px)\b")
_SIDE = re.compile(r"(?:[\d½¼¾⅛⅜⅝⅞]|\d ?(?:cm|mm|m|ft|in|inches|feet|px|\"|″|'|′)|(?<![=+×]) \d+) \Z")


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
            if end <= done or (is_plain(chunk[0]) and chunk.start() >= done):
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
        if char in "$\\^_" and (tex := find_tex(text, start)) is not None:
            return Span(start, tex[1], "maths", analyse(tex[0], self, is_start=False).spoken)
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
        if char == "(" and _COPYRIGHT.match(text, start) and not _ITEM_BEFORE.search(text, max(0, start - 120), start):
            return Span(start, start + 3, "symbol", "copyright")
        if char in _SIGNS or char == "(":
            found = self._number(text, start) if char != "(" or _is_area_code(text, start) else None
            if found is not None:
                return found
        if char in "xX" and before == " " and (course := _COURSE.match(text, start)) is not None:
            return Span(start, course.end(), "rate", "for")
        if (
            char in "xX×"
            and before == " "
            and _CROSS.match(text, start)
            and _SIDE.search(text, max(0, start - 12), start)
        ):
            is_product = _PRODUCT.match(text, start) is not None
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
def is_plain(chunk: str) -> bool:
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
    return "." not in match["end"] or not (word in abbreviations() or word in CITED or len(word) == 1)


_BARE_CANDIDATES = frozenset(
    [
        *(name for name, entries in abbreviations().items() if any(entry.when == "bare" for entry in entries)),
        *(symbol.rstrip(".") for symbol in currencies() if symbol[0].isalpha()),
        *counted_names(),
        *NUMBERED,
        *ROAD_NAMES,
        *FLOORS,
        *BOOKS,
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
    stars = read_stars(text, start)
    if stars is not None:
        return Span(start, stars[1], "rating", stars[0])
    emoji = None if char in _SILENT or char.isascii() else emoji_pattern("en").match(text, start)
    if emoji is not None and char not in "©®™":
        return Span(start, run_end(text, emoji), "emoji", emoji_name("en", emoji[0]))
    line = _LINE.match(text, start)
    if line is not None:
        return Span(start, line.end(), "line", "...") if line[1] not in ".!?" else None
    if char == "'":
        years = decade(text, start) or short_year(text, start)
        is_inside = before.isalnum() and not re.search(r"\b[QH][1-4]\Z", text[max(0, start - 3) : start])
        return Span(start, years[1], "year", years[0]) if years is not None and not is_inside else None
    if char == "." and not before.strip() and text[start + 1 : start + 2].isalpha():
        return Span(start, start + 1, "symbol", "dot")
    if char == "…" and before.isalnum() and text[start + 1 : start + 2].isalnum():
        return Span(start, start + 1, "line", "...")
    maths = read_maths(text, start, before)
    if maths is not None:
        return Span(start, maths[2], maths[0], maths[1])
    if char in _SILENT:
        return None
    code = read_numbered(text, start, before)
    if code is not None:
        return Span(start, code[2], code[0], code[1])
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
