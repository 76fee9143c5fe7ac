"""What a format's reader must do: name the columns of a file, and stream its rows.

Guaranteed by every reader: rows in file order, one for each row that the file has however broken it is, memory
that does not grow with the file, and CorpusError naming the file for what no single row is to blame for.
Not known here: what the columns mean, and row numbers across files.
"""

from __future__ import annotations

import codecs
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import CorpusError
from .files import InputFile

MAX_LINE = 1 << 24
"""Characters (csv, tsv) or bytes (jsonl) in a line: more is no line but a file of another kind."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read, and why."""

    reason: str


RawRow = tuple[int, dict[str, object] | Broken]
"""A row's first line (1-based; its number in the file, for parquet) and its values by column."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of the corpus, from which it can be read on.

    file     position of the file among the corpus's files
    offset   bytes of the file before it, after decompression; rows, for parquet
    number   lines (rows, for parquet) of the file before it
    """

    file: int = 0
    offset: int = 0
    number: int = 0


START = Position()


class Reader(ABC):
    """Reads one file of one format.

    offset, number   where the row after the last one read begins, as in `Position`
    """

    unit = "line"

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.offset = 0
        self.number = 0

    @abstractmethod
    def columns(self) -> tuple[str, ...] | None:
        """The file's columns, in order; None when it has no row to tell them from. Raises CorpusError."""

    @abstractmethod
    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        """Stream the rows from `start`, a position that this format's reader was at after a row of the same file.

        Columns that are not `wanted` may be left out. Raises CorpusError.
        """


def skip_bom(stream: io.BufferedReader, uri: str) -> int:
    """Step over a UTF-8 byte order mark; its length, 0 if there is none. Raises CorpusError for UTF-16."""
    start = stream.peek(3)[:3]
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CorpusError(f"{uri} is UTF-16: save it as UTF-8, for example with iconv -f UTF-16 -t UTF-8")
    if start == codecs.BOM_UTF8:
        return len(stream.read(3))
    return 0


def check_names(names: Sequence[str], uri: str) -> tuple[str, ...]:
    """Column names, with "column_3" for an unnamed third. Raises CorpusError for a name used twice."""
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
