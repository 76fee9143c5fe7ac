"""Text as ChatTTS can read it: letters, Chinese characters, commas, full stops, and its own control tags.

Guarantees that the result holds nothing else, that control tags pass untouched and in order, that normalising it again
in its language changes nothing, and that what cannot be said is named in `dropped` instead of vanishing. Numbers and
symbols become words in `words`. Knows neither tokens nor voices.

Upstream ChatTTS drops digits, question marks and accented letters; here they are said, or reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .rewriting import Language
from .words import CHINESE, in_words

TAG = re.compile(r"\[(?:uv_break|v_break|lbreak|llbreak|laugh|break_[0-7]|laugh_[0-2]|oral_[0-9]|speed_[0-9])\]")
"""Control tags that a text may hold; any other word in brackets is text."""

_CHINESE_CHAR = re.compile(f"[{CHINESE}]")
_ENGLISH_WORD = re.compile(r"[A-Za-z]+")
_TO_FOLD = re.compile(r"[^ -_a-~]")
_UNSAID = re.compile(rf"[^{CHINESE}A-Za-z，。、,. ]")
_FOLDED = {
    **dict.fromkeys("‘’ʼ′`´", "'"),
    **dict.fromkeys("“”„«»″", '"'),
    **dict.fromkeys("‐‑‒−", "-"),
    **{char: char for char in "–²³№"},  # `words` reads them
    **dict(zip("æÆœŒøØłŁđĐıßðþ〇…", ("ae", "Ae", "oe", "Oe", *"oOlLdDi", "ss", "th", "th", "零", ","), strict=True)),
}
_FORMS = re.compile(rf"[ -~{CHINESE}，。、：；！？（）°¥£¢]+")
"""What a form of another character may be folded to."""
_MOST_AGAIN = 4
"""Once more is enough for all but texts of single letters, whose marks become the full stops of abbreviations."""
_FULL_STOPS = "!?！？"
_SILENT = "*'\"“”"
_MARKS = {"en": str.maketrans("，。、", ",.,"), "zh": str.maketrans(",.", "，。")}


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text that can be spoken. `dropped` are the characters that cannot be and carry meaning, each once, in order."""

    text: str
    language: Language
    dropped: str


def is_tags(text: str) -> bool:
    """Whether a text is control tags and nothing else."""
    return not TAG.sub("", text).strip()


def language_of(text: str) -> Language:
    """The language that has more of the text: Chinese characters against English words, tags not counted."""
    text = _fold(TAG.sub(" ", text))
    is_chinese = len(_CHINESE_CHAR.findall(text)) > len(_ENGLISH_WORD.findall(text))
    return "zh" if is_chinese else "en"


def normalise(text: str, language: Language | None = None, homophones: Mapping[str, str] | None = None) -> Normalised:
    """The text in what ChatTTS reads; "" when there is nothing to say. Raises nothing.

    language     of the whole text; by its characters where None
    homophones   characters to be written as others that sound alike and are read better
    """
    known = language or language_of(text)
    dropped: dict[str, None] = {}
    said = _once(text, known, homophones or {}, dropped)
    for _ in range(_MOST_AGAIN):
        again = _once(said, known, {}, dropped)
        if again == said:
            break
        said = again
    return Normalised(said, known, "".join(dropped))


def _once(text: str, language: Language, homophones: Mapping[str, str], dropped: dict[str, None]) -> str:
    pieces: list[str] = []
    for piece, tag in _parts(text):
        if piece.strip():
            pieces.append(_said(piece, language, homophones, dropped))
        pieces.append(tag)
    return _tidy(pieces)


def _parts(text: str) -> Iterable[tuple[str, str]]:
    """Texts, each with the tag behind it; "" behind the last."""
    start = 0
    for match in TAG.finditer(text):
        yield text[start : match.start()], match[0]
        start = match.end()
    yield text[start:], ""


def _said(piece: str, language: Language, homophones: Mapping[str, str], dropped: dict[str, None]) -> str:
    """One text between tags."""
    text = in_words(_fold(piece), language)
    if homophones:
        text = "".join(homophones.get(char, char) for char in text)
    text = re.sub(r"(?<=[A-Za-z])-(?=[A-Za-z])", " ", text)
    return _UNSAID.sub(lambda match: _replacement(match[0], dropped), text).translate(_MARKS[language])


def _replacement(char: str, dropped: dict[str, None]) -> str:
    """A pause, a space or nothing for a character that is not said as it is."""
    if char in _FULL_STOPS:
        return "."
    if char in _SILENT:
        return ""
    category = unicodedata.category(char)
    if category[0] == "P" or char in "<>|~":
        return ","
    if category in ("Cf", "Cs"):  # joiners and the like; halves of a character
        return ""
    if category[0] not in "ZC":
        dropped[char] = None
    return " "


def _fold(text: str) -> str:
    """Typographic characters as plain ones, Latin letters without accents, digits of any script as ASCII digits.

    What has no such form stays as it was written, so that it is reported so.
    """
    return _TO_FOLD.sub(lambda match: _folded(match[0]), text)


@lru_cache(maxsize=65_536)
def _folded(char: str) -> str:
    if char in _FOLDED:
        return _FOLDED[char]
    if "\u0300" <= char <= "\u036f" or "\ufe00" <= char <= "\ufe0f" or char == "\u20e3":
        return ""  # an accent by itself; what chooses between forms of a character
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    plain = unicodedata.normalize("NFKC", char).replace("⁄", "/")
    letter = unicodedata.normalize("NFD", plain)[0]
    if len(plain) == 1 and letter.isascii() and letter.isalpha():
        return letter
    if char != plain and plain[0] in "0123456789":
        return f" {plain} "  # a fraction, an exponent, a number in a circle: no part of the number before it
    return plain if _FORMS.fullmatch(plain) else char


def _tidy(pieces: Iterable[str]) -> str:
    """One text: single spaces, none before a mark, no mark twice, none in front."""
    text = re.sub(r"\s+", " ", "".join(pieces))
    text = re.sub(r" (?=[，。、,.])|(?<=[，。、]) ", "", text)
    text = re.sub(r"([,，、])+(?=[，。、,.])", "", text)
    text = re.sub(r"([.。])[，。、,.]+", r"\1", text)
    text = re.sub(r"(?<=[,.])(?=[A-Za-z])", " ", text)
    return re.sub(r"^[\s，。、,.]+", "", text).strip()
