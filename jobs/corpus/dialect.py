"""How the fields of a line are told apart, and how a header or a few rows prove it. Pure.

Guaranteed: a header that names the text with the format's own delimiter is never read with another one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .options import Format
from .reader import MAX_LINE

DELIMITERS = (",", ";", "|", "\t")
"""Those that are looked for, in this order."""

SHORTHANDS: Mapping[Format, Mapping[int, tuple[str, ...]]] = {
    "ljspeech": {
        2: ("id", "text"),
        3: ("id", "text", "normalized"),
        4: ("id", "text", "normalized", "duration"),  # as CSS10 has them
    },
    "filelist": {
        2: ("id", "text"),
        3: ("id", "speaker", "text"),
        4: ("id", "speaker", "language", "text"),
    },
}
"""The columns of the formats that have neither header nor quotes, by their number; fields stand between "|"."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write records.

    Attributes:
        delimiter: The character between two fields.
        is_quoted: Whether fields may stand in quotes, and then hold delimiters and line ends.
    """

    delimiter: str
    is_quoted: bool = True

    @property
    def is_lenient(self) -> bool:
        """Whether a line whose quotes make no sense is taken as it stands: many writers of these do not quote."""
        return self.delimiter in "\t|"

    @property
    def decimal(self) -> str:
        """The decimal sign: spreadsheets write ";" where they write "1,5"."""
        return "," if self.delimiter == ";" else "."

    def records(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The fields of each record; none for a blank line. Raises csv.Error, as the lines are read."""
        if csv.field_size_limit() < MAX_LINE:
            csv.field_size_limit(MAX_LINE)  # of the whole process; the lines have limits of their own
        quoting = csv.QUOTE_MINIMAL if self.is_quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True)


def shown(delimiter: str) -> str:
    """A delimiter as a message names it."""
    return {"\t": "tab"}.get(delimiter, repr(delimiter).replace("'", '"'))


def usual(file_format: Format) -> str:
    """The delimiter of a format."""
    return {"csv": ",", "tsv": "\t"}.get(file_format, "|")


def proven_by_header(
    record: Callable[[str], Sequence[str] | None], first: str, text: str, named: Sequence[str] = ()
) -> str:
    """The delimiter with which the first record names the column of the text.

    Args:
        record: The first record as a delimiter makes it; None where it cannot be read with that.
        first: The delimiter of the format.
        text: The column of the text.
        named: Other columns that have to be there.

    Returns:
        `first` if that proves it, else the first other one that does, or, where none does, the rarest in prose that
        the record holds, so that a message can name its fields.
    """
    found: dict[str, list[str]] = {}
    for delimiter in (first, *(other for other in DELIMITERS if other != first)):
        names = [name.strip() for name in record(delimiter) or ()]
        if text in names and (delimiter == first or all(name in names for name in named)):
            return delimiter
        found[delimiter] = names
    return next((delimiter for delimiter in reversed(DELIMITERS) if len(found[delimiter]) > 1), first)
