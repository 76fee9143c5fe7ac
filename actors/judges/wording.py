"""What was heard against what should have been: both in one form, then errors by words and by characters.

Two ways to write one thing are equal: "$4.50" and "four dollars and fifty cents", "B. B. C." and "BBC", "wood shed"
and "woodshed". In English the form is whisper-normalizer's where that is installed. Languages that put no spaces
between words are compared character by character. Pure. Not known here: audio.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

UNSPACED = ("zh", "yue", "ja", "th", "lo", "km", "my")
"""Languages whose words are not separated: a character counts as a word."""

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_UNITS = {"kg": "kilograms", "kw": "kilowatts", "km": "kilometers", "lbs": "pounds", "ft": "feet"}
_BEFORE: tuple[tuple[str, str], ...] = (
    (r"[()\[\]…]|\.{3}", " "),  # the library drops what stands in brackets, but it was spoken
    (r"\b([ap])\.? ?m\b\.?", r"\1m"),  # a.m., a m and am
    (r"\b(\d{1,2}):00\b", r"\1"),
    (r"\b(\d{1,2}):(\d{2})\b", r"\1\2"),  # 6:45 and "six forty-five" both become 645
    (r"\b(\d{1,2})\.(\d{2})(?= ?[ap]m)|(?<=\bat )(\d{1,2})\.(\d{2})\b", r"\1\2\3\4"),
    (r"\b(\d{3})-(\d{4})\b", r"\1\2"),
    (r"\bgeorge iii\b", "george the third"),
    (r"\ba (?=hundred|thousand)", "one "),
    (r"\bninth\b", "nineth"),  # the library knows the ordinal of nine by this spelling only
)
_AFTER: tuple[tuple[str, str], ...] = (
    (rf"\b({_MONTHS}) (\d{{1,2}})(?:st|nd|rd|th)\b", r"\1 \2"),  # "May 3" is read "May third"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How what was heard differs from what was expected.

    Attributes:
        expected, heard: Both in one form
        num_words: Expected ones
        wer: Errors by expected words
        cer: Errors by expected characters, spaces left out
        run: Words of the longest stretch in which nothing agrees, expected or heard
    """

    expected: str
    heard: str
    num_words: int
    wer: float
    cer: float
    run: int


def compare(expected: str, heard: str, language: str) -> Wording:
    """Two texts of one language, as they are written. The expected one has to have a word."""
    import jiwer
    from rapidfuzz.distance import Levenshtein

    wanted, found = normalised(expected, language).split(), normalised(heard, language).split()
    if not wanted:
        raise ValueError(f"no word is left of {expected!r}")
    if found:
        chunks = jiwer.process_words(" ".join(wanted), " ".join(found)).alignments[0]
        spans = [
            (chunk.type == "equal", chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
        ]
    else:
        spans = [(False, len(wanted), 0)]
    stretches = [
        s for s in _stretches(spans) if "".join(wanted[s.at : s.end]) != "".join(found[s.heard_at : s.heard_end])
    ]
    letters, heard_letters = "".join(wanted), "".join(found)
    return Wording(
        " ".join(wanted),
        " ".join(found),
        len(wanted),
        wer=sum(stretch.num_errors for stretch in stretches) / len(wanted),
        cer=Levenshtein.distance(letters, heard_letters) / len(letters),
        run=max((stretch.length for stretch in stretches), default=0),
    )


def normalised(text: str, language: str) -> str:
    """Words in one form, separated by single spaces; of languages without spaces, characters."""
    tag = language.partition("-")[0].lower()
    if tag in ("en", "") and (english := _english()) is not None:
        return _english_form(text, english)
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(
        char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in text.replace("'", "")
    )
    return " ".join("".join(kept.split())) if tag in UNSPACED else " ".join(kept.split())


def has_english_forms() -> bool:
    """Whether numbers, abbreviations and spellings of English are brought into one form."""
    return find_spec("whisper_normalizer") is not None


def _english_form(text: str, english: Any) -> str:
    text = text.lower()
    for pattern, replacement in _BEFORE:
        text = re.sub(pattern, replacement, text)
    text = str(english(text))
    for pattern, replacement in _AFTER:
        text = re.sub(pattern, replacement, text)
    return " ".join(_UNITS.get(word, word) for word in text.split())


@cache
def _english() -> Any:
    if not has_english_forms():
        return None
    import warnings

    with warnings.catch_warnings():
        # the library's own source, when it is compiled for the first time
        warnings.simplefilter("ignore")
        from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Words of both texts between two that agree."""

    at: int
    end: int
    heard_at: int
    heard_end: int
    num_errors: int

    @property
    def length(self) -> int:
        return max(self.end - self.at, self.heard_end - self.heard_at)


def _stretches(spans: Sequence[tuple[bool, int, int]]) -> list[_Stretch]:
    """Neighbouring spans that do not agree, as one.

    Args:
        spans: Whether the words agree; how many they are, expected and heard
    """
    found: list[_Stretch] = []
    at = heard_at = 0
    is_open = False
    for is_equal, num, num_heard in spans:
        if not is_equal:
            errors = max(num, num_heard)
            if is_open:
                last = found.pop()
                found.append(_Stretch(last.at, at + num, last.heard_at, heard_at + num_heard, last.num_errors + errors))
            else:
                found.append(_Stretch(at, at + num, heard_at, heard_at + num_heard, errors))
        is_open = not is_equal
        at, heard_at = at + num, heard_at + num_heard
    return found
