"""A text and what is said of it: the one analysis that reading, splitting and reporting share.

Guaranteed: what is not said as it is written lies in spans that do not overlap, in order. Every letter, digit and symbol
that carries meaning is in the spoken form or in `unspoken`.
Not known here: which characters a model can say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .folding import fold
from .records import FOREIGN, MARK, Span

_SPACES = re.compile(r" {2,}")
_BEFORE_MARK = re.compile(r" +(?=[,.;:!?](?:\s|\Z))")


_QUOTE_MARKS = re.compile(r"(?m)^[ \t]*(?:>[ \t]?(?:(?:>[ \t]?)+|(?=[^\W\d]|[\"'“‘(*-]|$)))(?!=)")
_AS_WRITTEN = frozenset((FOREIGN, "url", "mail", "host", "file", "path"))
"""Kinds whose first letter is small where it is written so."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A text, folded, with the spans of it that are said otherwise than they are written.

    Attributes:
        text: The text that the spans' places are in
        spoken: What is said
        unspoken: What carries meaning and has no words in the language: characters or words, each once, in order
    """

    text: str
    spans: Sequence[Span]
    spoken: str
    unspoken: tuple[str, ...]


class Reader(Protocol):
    """A language's pass over a text."""

    def spans(self, text: str) -> Iterable[Span]:
        """What is said otherwise than it is written, in order."""
        ...


def analyse(text: str, reader: Reader, *, is_chinese: bool = False, is_start: bool = True) -> Analysis:
    """The analysis of a text whose white space is normal; `is_start`: a sentence begins with it."""
    if is_start and ">" in text:
        text = without_quote_marks(text)
    folded = fold(text, keeps_wide_marks=is_chinese)
    spans = list(reader.spans(folded))
    pieces: list[str] = []
    unspoken: dict[str, None] = {}
    last = 0
    for span in spans:
        pieces.append(folded[last : span.start])
        pieces.append(_spaced(span, folded, pieces, is_chinese=is_chinese, is_start=is_start))
        is_missed = not span.words and span.kind != MARK and is_meaningful(folded[span.start : span.end])
        if span.kind == FOREIGN or is_missed:
            unspoken[folded[span.start : span.end]] = None
        last = span.end
    pieces.append(folded[last:])
    if spans and ")(" in folded:
        pieces = [piece.replace(")(", ") (") for piece in pieces]
    spoken = _BEFORE_MARK.sub("", _SPACES.sub(" ", "".join(pieces))).strip() if spans else folded
    return Analysis(folded, spans, spoken, tuple(unspoken))


def without_quote_marks(text: str) -> str:
    """The text without the marks that mail puts before quoted lines, as in "> She wrote"; ">5 kg" is greater than."""
    return _QUOTE_MARKS.sub("", text) if ">" in text else text


def _spaced(span: Span, text: str, pieces: list[str], *, is_chinese: bool, is_start: bool) -> str:
    """The words of a span, with spaces where letters or other spans touch them."""
    words = span.words
    if not words:
        return "" if is_chinese and span.kind == MARK else " "
    before = next((piece[-1] for piece in reversed(pieces) if piece), " ")
    after = text[span.end : span.end + 1]
    if words == "...":
        return "，" if is_chinese else ", "
    if not is_chinese and span.kind not in _AS_WRITTEN and words[0].islower() and _starts(pieces, is_start=is_start):
        words = words[0].upper() + words[1:]
    if is_chinese:
        return f"{' ' * _touch(before, words[0])}{words}{' ' * _touch(words[-1], after)}"
    lead = (
        " " if before.isalnum() or (before in ".,;:!?%)]'\"" and not before.isspace() and before not in "'\"(") else ""
    )
    trail = " " if after.isalnum() or (after and (unicodedata.category(after)[0] in "SN" or after in "([")) else ""
    if words.endswith(".") and after == ".":
        words = words[:-1]
    return f"{lead}{words}{trail}"


def _starts(pieces: list[str], *, is_start: bool) -> bool:
    """Whether a sentence begins behind what is there."""
    for piece in reversed(pieces):
        if tail := piece.rstrip(" \"'“‘(["):
            return tail[-1] in ".!?" and piece[-1] in " \"'“‘(["
    return is_start


def _touch(left: str, right: str) -> bool:
    """Whether two Latin letters or digits would run together."""
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()


def is_meaningful(piece: str) -> bool:
    """Whether a piece of text holds a letter, a digit or a symbol, and not marks alone."""
    return any(unicodedata.category(char)[0] in "LNS" or char in "%&@#/§*" for char in piece)
