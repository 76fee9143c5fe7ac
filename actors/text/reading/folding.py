"""Characters that only look different, as one: ligatures, full width, digits of any script, typographic apostrophes.

Guaranteed: a character that carries meaning of its own stays or becomes others that say the same: exponents, fractions,
signs and accents are kept. Folding twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TO_FOLD = re.compile(r"[^\x00-\x7f\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af]|`")
_MAPPED = {
    **dict.fromkeys("‘’ʼʹ´`＇ꞌ‛", "'"),
    **dict.fromkeys("‐‑⁃﹣－", "-"),
    "μ": "µ",
    "Ω": "Ω",
    "K": "K",
    "⁄": "/",
    "∕": "/",
    "․": ".",
    "‥": "…",
    "﹪": "%",
    "٪": "%",
    "∗": "*",
    "∙": "·",
    "⸱": "·",
    "⋅": "·",
    "˚": "°",
    "⁓": "~",
    "～": "~",
    "〜": "~",
}
_KEPT = frozenset("µ…™℠®©№℃℉ℓ℗℡℻ªº¼½¾ⅰⅱ。、「」『』·ℝℕℤℚℂℏℵ㊗㊙🈁🈂🅰🅱🆎🆑🆒🆓🆔🆕🆖🆗🆘🆙🆚🅾🅿Ⓜ〒〰‼⁉")
_PLAIN_LATIN = dict(
    zip(
        "æÆœŒøØłŁđĐħĦıĳĲŋŊŧŦßẞðÐþÞƒəƏĸ",
        (
            "ae",
            "Ae",
            "oe",
            "Oe",
            *"oOlLdDhHi",
            "ij",
            "Ij",
            "ng",
            "Ng",
            *"tT",
            "ss",
            "Ss",
            "th",
            "Th",
            "th",
            "Th",
            *"feEk",
        ),
        strict=True,
    )
)
_KEYCAP = re.compile("(?<=[0-9#*])\ufe0f?\u20e3")
_RATIO = re.compile(r"(?<=\d)∶(?=\d)")
_SUBSCRIPTS = re.compile(r"(?<=[A-Za-z)])(?<!log)[₀-₉]+")
_SUBSCRIPT_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_EXPONENTS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼₀₁₂₃₄₅₆₇₈₉₊₋")
_PLAIN_FORMS = re.compile("[!-~À-ÖØ-öø-ɏ€£¥\u0370-\u03ff\u4e00-\u9fff\u3041-\u30ff²³°µΩ]+")
"""What a form of other characters may be folded to."""


def fold(text: str, *, keeps_wide_marks: bool = False) -> str:
    """The text with one form for each character.

    Args:
        keeps_wide_marks: Commas, full stops and brackets of Chinese stay as wide as they are written
    """
    if text.isascii() and "`" not in text:
        return text
    text = _KEYCAP.sub("", text)
    if "∶" in text:
        text = _RATIO.sub(":", text)
    text = _SUBSCRIPTS.sub(lambda match: match[0].translate(_SUBSCRIPT_DIGITS), text)
    return _TO_FOLD.sub(lambda match: _folded(match[0], keeps_wide_marks), text)


@lru_cache(maxsize=65_536)
def _folded(char: str, keeps_wide_marks: bool) -> str:
    if char in _MAPPED:
        return _MAPPED[char]
    if char in _KEPT or char in _EXPONENTS or (keeps_wide_marks and char in "，。：；！？（）、“”《》"):
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    decomposition = unicodedata.decomposition(char)
    if decomposition.startswith("<fraction>"):
        return char
    if category in ("No", "Nl") or decomposition.startswith(("<circle>", "<square>")):
        return _number(char) if category in ("No", "Nl") else _spaced(char)
    if decomposition.startswith("<"):
        plain = unicodedata.normalize("NFKC", char)
        return plain if _PLAIN_FORMS.fullmatch(plain) else char
    if category[0] == "L" and len(decomposition.split()) == 1 and decomposition:
        return unicodedata.normalize("NFC", char)
    return char


@lru_cache(maxsize=4_096)
def plain_latin(char: str) -> str | None:
    """A Latin letter as the letters from A to Z that it comes from; None for one that comes from none."""
    if char in _PLAIN_LATIN:
        return _PLAIN_LATIN[char]
    base = unicodedata.normalize("NFKD", char)[0]
    if base in _PLAIN_LATIN:
        return _PLAIN_LATIN[base]
    return base if base.isascii() and base.isalpha() else None


def _number(char: str) -> str:
    """A number in a circle, of Rome, or of a script that has a sign for it."""
    plain = unicodedata.normalize("NFKC", char)
    if plain != char and plain.isascii():
        return plain if plain.isalpha() else f" {plain.strip('().')} "
    value = unicodedata.numeric(char, None)
    if value is not None and value == int(value) and not "\u3007" <= char <= "\u3029":
        return f" {int(value)} "
    return char


def _spaced(char: str) -> str:
    plain = unicodedata.normalize("NFKC", char)
    return (
        f" {plain} "
        if plain.isascii() and plain.isalpha() and len(plain) == 1
        else plain
        if plain.isprintable() and plain.strip()
        else char
    )
