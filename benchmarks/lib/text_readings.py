"""Readings of sentences, and whether one of those that are accepted is among them: what `text.py` judges by."""

from __future__ import annotations

import csv
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _parser as parser  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
from typing import Any

_MEANINGFUL = "&@#%*§/"
MAX_FORMS = 400
"""Forms of an accepted reading that are spoken for a comparison by sound."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence, its class, and a regular expression of how it may be read, in small letters without marks."""

    id: str
    kind: str
    text: str
    accepted: str
    language: str

    def is_right(self, reading: str) -> bool:
        """Whether a reading is accepted, marks and white space aside."""
        return any(re.fullmatch(self.accepted, form) for form in plain_forms(reading, self.language))


def read_cases(path: Path) -> list[Case]:
    """The cases of a file with columns id, class, text and accepted; Chinese where most of the texts are."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    num_chinese = sum(bool(re.search("[\u4e00-\u9fff]", row["text"])) for row in rows)
    language = "zh" if 2 * num_chinese > len(rows) else "en"
    return [Case(row["id"], row["class"], row["text"], row["accepted"], language) for row in rows]


def plain_forms(reading: str, language: str) -> set[str]:
    """A reading in small letters without marks: hyphens are spaces, and apostrophes around words may be marks."""
    reading = reading.replace("’", "'").lower()
    if language == "zh":
        return {"".join(char for char in reading if not char.isspace() and not _is_mark(char))}
    words = "".join(" " if char in "-–—" else char for char in reading if char in "-–—'" or not _is_mark(char)).split()
    return {" ".join(words), " ".join(word.strip("'") for word in words)}


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "P" and char not in _MEANINGFUL


def forms(pattern: str) -> Iterator[str]:
    """Texts that a regular expression of an accepted reading matches, at most `MAX_FORMS`."""
    tree: Any = parser.parse(pattern)  # pyright: ignore[reportUnknownMemberType]
    return itertools.islice(_expanded(list(tree)), MAX_FORMS)


def _expanded(items: list[Any]) -> Iterator[str]:
    if not items:
        yield ""
        return
    (operator, argument), rest = items[0], items[1:]
    for head in _one(str(operator), argument):
        for tail in _expanded(rest):
            yield head + tail


def _one(operator: str, argument: Any) -> Iterator[str]:
    if operator == "LITERAL":
        yield chr(argument)
    elif operator == "SUBPATTERN":
        yield from _expanded(list(argument[3]))
    elif operator == "BRANCH":
        for branch in argument[1]:
            yield from _expanded(list(branch))
    elif operator in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        for count in range(min(int(most), 1), int(least) - 1, -1):
            yield from ("".join(parts) for parts in itertools.product(*[list(_expanded(list(inner)))] * count))
    elif operator == "IN":
        yield from (chr(value) for kind, value in argument if str(kind) == "LITERAL")
    else:
        yield ""
