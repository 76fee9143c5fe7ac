"""Words as ChatTTS can read them: letters, Chinese characters, commas, full stops, and its own control tags.

Guarantees that the result holds nothing else, that control tags pass untouched and in order, that normalising it again
in its language changes nothing, and that what cannot be said is named in `dropped` instead of vanishing. The front end
writes out numbers and symbols; text that has not passed it yet passes it here. Knows neither tokens nor voices.

Upstream ChatTTS drops digits, question marks and accented letters; here they are said, or reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ....text.front_end import text_language, words_of
from ....text.reading.folding import plain_latin
from .contractions import in_full

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

TAG = re.compile(r"\[(?:uv_break|v_break|lbreak|llbreak|laugh|break_[0-7]|laugh_[0-2]|oral_[0-9]|speed_[0-9])\]")
"""Control tags that a text may hold; any other word in brackets is text."""

CHINESE = "\u4e00-\u9fff"
_TO_FOLD = re.compile(rf"[^ -~{CHINESE}，。、]")
_UNSAID = re.compile(rf"[^{CHINESE}A-Za-z，。、,. ]")
_FOLDED = {**dict.fromkeys("‘’ʼ′`´", "'"), **dict.fromkeys("“”„«»″", '"'), "…": ",", "〇": "零"}
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
    return "zh" if text_language(TAG.sub(" ", text)) == "zh" else "en"


def normalise(text: str, language: Language | None = None, homophones: Mapping[str, str] | None = None) -> Normalised:
    """The text in what ChatTTS reads; "" when there is nothing to say. Raises nothing.

    Args:
        language: Of the whole text; by its characters where None
        homophones: Characters to be written as others that sound alike and are read better
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
    words, unspoken = words_of(piece, language, LANGUAGES)
    dropped.update(dict.fromkeys(char for word in unspoken for char in word if not _is_silent(char)))
    text = _TO_FOLD.sub(lambda match: _folded(match[0]), in_full(words))
    if homophones:
        text = "".join(homophones.get(char, char) for char in text)
    text = re.sub(r"(?<=[A-Za-z])-(?=[A-Za-z])", " ", text)
    return _UNSAID.sub(lambda match: _replacement(match[0], dropped), text).translate(_MARKS[language])


def _folded(char: str) -> str:
    """A letter without its accent, a mark as a plain one; what has no such form as it is."""
    if "\u0300" <= char <= "\u036f" or "\ufe00" <= char <= "\ufe0f":
        return ""
    return _FOLDED.get(char) or plain_latin(char) or char


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
    if not _is_silent(char):
        dropped[char] = None
    return " "


def _is_silent(char: str) -> bool:
    return unicodedata.category(char)[0] in "ZCP"


def _tidy(pieces: Iterable[str]) -> str:
    """One text: single spaces, none before a mark, no mark twice, none in front."""
    text = re.sub(r"\s+", " ", "".join(pieces))
    text = re.sub(r" (?=[，。、,.])|(?<=[，。、]) ", "", text)
    text = re.sub(r"([,，、])+(?=[，。、,.])", "", text)
    text = re.sub(r"([.。])[，。、,.]+", r"\1", text)
    text = re.sub(r"(?<=[,.])(?=[A-Za-z])", " ", text)
    return re.sub(r"^[\s，。、,.]+", "", text).strip()
