"""What a format's reader must do: name the columns of a file, and stream its rows.

Guaranteed by every reader: rows in file order, one for each row that the file has however broken it is, memory
that does not grow with the file, and CorpusError naming the file for what no single row is to blame for.
Not known here: what the columns mean, and row numbers across files.
"""

from __future__ import annotations

import codecs
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import cast

from ...errors import CorpusError
from .files import InputFile
from .options import InputOptions

MAX_LINE = 1 << 24
"""Characters (csv, tsv) or bytes (jsonl) in a line: more is no line but a file of another kind."""
TOGETHER_CHARS = 1 << 20
"""No further line is read for a batch of rows after so many characters or bytes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read, and why."""

    reason: str


RawRow = tuple[int, dict[str, object] | Broken]
"""A row's first line (1-based; its number in the file, for parquet) and its values by column."""


@dataclass(frozen=True, slots=True)
class RawRows:
    """Consecutive rows of a file, as columns where the format has them, else row by row.

    Attributes:
        numbers: The first line of each (its number in the file, for parquet).
        columns: Values of all rows by column; None where rows have other columns or another order, or one is broken.
        by_row: The rows one by one; None where the columns hold them.
    """

    numbers: Sequence[int]
    columns: Mapping[str, Sequence[object]] | None
    by_row: Sequence[dict[str, object] | Broken] | None = None

    @classmethod
    def of(cls, rows: Sequence[RawRow]) -> RawRows:
        """These rows, looked at one by one."""
        return cls([number for number, _ in rows], None, [fields for _, fields in rows])

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, start: int, end: int) -> RawRows:
        """The rows from `start` to before `end`, as columns if they can be."""
        numbers = self.numbers[start:end]
        if self.by_row is None:
            columns = cast("Mapping[str, Sequence[object]]", self.columns)
            return RawRows(numbers, {name: values[start:end] for name, values in columns.items()})
        rows = self.by_row[start:end]
        return RawRows(numbers, columns_of(rows), rows)

    @property
    def rows(self) -> Sequence[dict[str, object] | Broken]:
        """The rows one by one."""
        if self.by_row is not None:
            return self.by_row
        columns = cast("Mapping[str, Sequence[object]]", self.columns)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of the corpus, from which it can be read on.

    Attributes:
        file: Position of the file among the corpus's files.
        offset: Bytes of the file before it, after decompression; rows, for parquet.
        number: Lines (rows, for parquet) of the file before it.
    """

    file: int = 0
    offset: int = 0
    number: int = 0


START = Position()
_SAMPLE_BYTES = 1 << 10
_WIDE_MARKS = (
    ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "UTF-32"),  # before UTF-16, whose mark begins that of UTF-32
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "UTF-16"),
)
_MANY_ZEROS, _SOME_ZEROS, _FEW_ZEROS = 0.5, 0.1, 0.05
"""Shares of the bytes at one place of the characters: where ASCII in UTF-16 has zeros, the same where the text begins
with ASCII, and where it has none."""


class Reader(ABC):
    """Reads one file of one format.

    Attributes:
        unit: What the numbers of its rows count.
        decimal: Decimal sign of numbers in text, "." or ","; known once a row was read.
        delimiter: Between the fields, in formats that have one; known once the columns are.
        offset: Where the row after the last one read begins, as in `Position`.
        number: The same, in lines or rows.
        most_rows: Rows that the next batch may have, 1 or more.
    """

    unit = "line"
    most_rows = 1
    decimal = "."
    delimiter = ""

    def __init__(self, file: InputFile, options: InputOptions) -> None:
        self.file = file
        self.options = options
        self.offset = 0
        self.number = 0

    @abstractmethod
    def columns(self) -> tuple[str, ...] | None:
        """The file's columns, in order; None when it has no row to tell them from.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """

    @abstractmethod
    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        """Stream the rows from `start`, a position that this format's reader was at after a row of the same file.

        Columns that are not `wanted` may be left out.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """

    def batches(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRows]:
        """Stream the same rows, at most `most_rows` at a time; `offset` and `number` are behind the last batch.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        rows: list[RawRow] = []
        for row in self.rows(wanted, start):
            rows.append(row)
            if len(rows) >= self.most_rows:
                yield RawRows.of(rows)
                rows = []
        if rows:
            yield RawRows.of(rows)


def columns_of(rows: Sequence[object]) -> dict[str, list[object]] | None:
    """The columns of rows that all have the same ones in the same order; None for others.

    The order of a row's own columns is that of its metadata, and a part of the digest of its shard.
    """
    if set(map(type, rows)) != {dict}:
        return None
    known = cast("Sequence[dict[str, object]]", rows)
    names = tuple(known[0])
    if any(map(names.__ne__, map(tuple, known))):
        return None
    return {name: list(map(itemgetter(name), known)) for name in names}


def skip_bom(stream: io.BufferedReader, uri: str) -> int:
    """Step over a UTF-8 byte order mark; its length, 0 if there is none.

    Raises:
        CorpusError: For UTF-16 and UTF-32
    """
    start = stream.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]
    for marks, name in _WIDE_MARKS:
        if start.startswith(marks):
            raise CorpusError(f"{uri} is {name}: save it as UTF-8, for example with iconv -f {name} -t UTF-8")
    name = _wide_encoding(start)
    if name is not None:
        what = f"{name[:6]} without a byte order mark"
        raise CorpusError(f"{uri} is {what}: save it as UTF-8, for example with iconv -f {name} -t UTF-8")
    if start.startswith(codecs.BOM_UTF8):
        return len(stream.read(3))
    return 0


def _wide_encoding(sample: bytes) -> str | None:
    """The encoding of text of two or four bytes a character, known by the zeros beside its ASCII; None for others."""
    unit = 4 if sample[:4].count(0) == 3 else 2
    whole = sample[: len(sample) // unit * unit]
    num_units = len(whole) // unit
    if num_units < 2:
        return None
    zeros = [whole[at::unit].count(0) / num_units for at in range(unit)]
    first = [byte == 0 for byte in whole[: 2 * unit]]
    for order, place, other in (("LE", -1, 0), ("BE", 0, -1)):
        begins_so = all(first[place % unit :: unit]) and not any(first[other % unit :: unit])
        if zeros[other] <= _FEW_ZEROS and zeros[place] >= (_SOME_ZEROS if begins_so else _MANY_ZEROS):
            return f"UTF-{unit * 8}{order}"
    return None


def check_names(names: Sequence[str], uri: str) -> tuple[str, ...]:
    """Column names, with "column_3" for an unnamed third.

    Raises:
        CorpusError: For a name used twice
    """
    named = tuple(name or f"column_{position}" for position, name in enumerate(names, 1))
    seen: set[str] = set()
    for name in named:
        if name in seen:
            raise CorpusError(f"{uri} has two columns named {name!r:.80}: rename one")
        seen.add(name)
    return named


def bad_byte(text: str) -> str | None:
    """Why a text decoded with `surrogateescape`, or from JSON escapes, is no text; None when it is."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        what = f"byte 0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"half a surrogate pair (U+{code:04X})"
        return f"{what} at character {error.start + 1} is not UTF-8"
    return None
