"""What an analysis of a text is made of: spans that are said otherwise than they are written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text, `text[start:end]`, and the words that it is said by.

    Attributes:
        kind: Its class, such as "money" or "date"
        words: "" where nothing is said for it
    """

    start: int
    end: int
    kind: str
    words: str


FOREIGN = "foreign"
"""The kind of what is in another script, which passes as it is written."""

MARK = "mark"
"""The kind of a symbol that stands as a mark of punctuation: nothing is said for it, and nothing is missed."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff〇"
"""Han characters, inside a character class."""
