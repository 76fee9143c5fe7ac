"""Csv and tsv: a header, then one record a line, quoted fields may hold line ends.

Guaranteed: a record that breaks the quoting rules or has another number of fields costs only its first line; the
lines after it are read again as records of their own, so that a stray quote never swallows its neighbours.
In tsv, where many writers do not quote at all, a line whose quotes make no sense is taken as it stands, and so are
lines that have all their fields each although quotes seem to join them.
Memory and time stay those of the file's size: a record of `MAX_LINE` characters is none, and a file of which most has
to be read again and again is refused.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from ...errors import CorpusError
from .files import InputFile
from .reader import MAX_LINE, START, Broken, Position, RawRow, Reader, bad_byte, check_names, skip_bom

_MAX_BLANK_LINES = 100_000
"""Before the header."""
_AGAIN_LINES, _AGAIN_SHARE = 1_000_000, 20
"""So many lines may be read again, and that many times those that are done with."""


class Tape:
    """The lines of a file; those since the last record are remembered and can be read again.

    offset, line   bytes and lines before the pending ones
    """

    def __init__(self, stream: TextIO, uri: str, offset: int) -> None:
        self.pending: list[str] = []
        self.line = 0
        self.offset = offset
        self._stream = stream
        self._uri = uri
        self._again: deque[str] = deque()
        self._num_again = 0

    def lines(self) -> Iterator[str]:
        """The lines that follow. Raises CorpusError at one that never ends, csv.Error for a record of that length."""
        pending, readline, again = self.pending, self._stream.readline, self._again
        length = 0
        while True:
            if again:
                self._count_again()
                line = again.popleft()
            else:
                line = readline(MAX_LINE)
            if not line:
                return
            length = length + len(line) if pending else len(line)
            if length > MAX_LINE:
                pending.append(line)
                raise csv.Error(f"it is longer than {MAX_LINE:,} characters")
            if len(line) >= MAX_LINE:
                where = self.line + len(pending) + 1
                raise CorpusError(f"{self._uri} line {where} is longer than {MAX_LINE:,} characters: is this csv?")
            pending.append(line)
            yield line

    def _count_again(self) -> None:
        """Each line that opens a quote and closes another one may have the whole rest behind it read once more."""
        self._num_again += 1
        if self._num_again > _AGAIN_LINES + _AGAIN_SHARE * self.line:
            raise CorpusError(
                f'{self._uri}: from line {self.line + 1:,} on, its quotes (") make no sense: each has to be closed, '
                "and one inside a field has to be doubled"
            )

    def seek(self, start: Position) -> None:
        """Go on from a position between two records."""
        self._stream.seek(start.offset)
        self._again.clear()
        self.offset, self.line = start.offset, start.number

    def accept(self) -> int:
        """Forget the pending lines; the number of the first of them."""
        first = self.line + 1
        for line in self.pending:
            self.offset += _num_bytes(line)
        self.line += len(self.pending)
        self.pending.clear()
        return first

    def reject(self) -> tuple[int, str]:
        """Forget the first pending line only, and read the others again; its number and content."""
        first, *others = self.pending
        self._again.extendleft(reversed(others))
        self.line += 1
        self.offset += _num_bytes(first)
        self.pending.clear()
        return self.line, first


class DelimitedReader(Reader):
    """Reads csv, or tsv."""

    def __init__(self, file: InputFile) -> None:
        super().__init__(file)
        self.delimiter = "\t" if file.format == "tsv" else ","

    def columns(self) -> tuple[str, ...]:
        with self._tape() as tape:
            return self._header(tape)

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        del wanted  # leaving columns out would cost more than it saves
        with self._tape() as tape:
            header = self._header(tape)
            if start.offset:
                tape.seek(start)
            self.offset, self.number = start.offset, start.number
            for row in self._rows(tape, header):
                self.offset, self.number = tape.offset, tape.line
                yield row

    def _rows(self, tape: Tape, header: Sequence[str]) -> Iterator[RawRow]:
        width = len(header)
        while True:
            try:
                for values in self._records(tape):
                    if len(tape.pending) > 1 and self._is_swallowed(tape.pending, len(values), width):
                        break
                    if len(values) == width:
                        joined = "".join(values)
                        if joined.isascii() or bad_byte(joined) is None:
                            yield tape.accept(), dict(zip(header, values, strict=False))
                        else:
                            yield tape.accept(), _broken_text(header, values)
                    elif values:
                        yield tape.accept(), _broken_width(width, len(values), self.delimiter)
                    else:
                        tape.accept()  # a blank line
                else:
                    return
                yield self._resume(tape, header, f"it has not the {width} fields of the header")
            except csv.Error as error:
                yield self._resume(tape, header, str(error))

    def _is_swallowed(self, lines: Sequence[str], found: int, width: int) -> bool:
        """Whether a record of several lines is several records behind a stray quote."""
        if found != width:
            return True
        return self.delimiter == "\t" and width > 1 and all(line.count("\t") == width - 1 for line in lines)

    def _resume(self, tape: Tape, header: Sequence[str], problem: str) -> RawRow:
        """The first line of a record that makes no sense, alone; the next record starts on the next line."""
        line, content = tape.reject()
        if self.delimiter == "\t":
            values = content.rstrip("\r\n").split("\t")
            if len(values) == len(header):
                is_text = bad_byte(content) is None
                return line, dict(zip(header, values, strict=True)) if is_text else _broken_text(header, values)
        return line, Broken(
            f'the record that starts here cannot be read ({problem}): is a quote (") missing or not doubled?'
        )

    def _records(self, tape: Tape) -> Iterator[list[str]]:
        return csv.reader(tape.lines(), delimiter=self.delimiter, strict=True)

    def _header(self, tape: Tape) -> tuple[str, ...]:
        uri = self.file.uri
        try:
            names = self._first_record(tape)
        except csv.Error as error:
            raise CorpusError(f"{uri} has no readable header in line 1: {error}") from error
        if names is None:
            raise CorpusError(f"{uri} is empty: its first line has to name the columns")
        problem = bad_byte("".join(names))
        if problem is not None:
            raise CorpusError(f"{uri} line 1: {problem}; save the file as UTF-8")
        tape.accept()
        return check_names([name.strip() for name in names], uri)

    def _first_record(self, tape: Tape) -> list[str] | None:
        for values in self._records(tape):
            if values:
                return values
            tape.accept()  # a blank line
            if tape.line > _MAX_BLANK_LINES:
                return None
        return None

    @contextmanager
    def _tape(self) -> Generator[Tape]:
        with self.file.content() as stream:
            offset = skip_bom(stream, self.file.uri)
            # `surrogateescape` keeps a bad byte inside its field: one row fails, and the decoder goes on.
            with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
                yield Tape(text, self.file.uri, offset)


def _num_bytes(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))


def _broken_text(header: Sequence[str], values: Sequence[str]) -> Broken:
    for name, value in zip(header, values, strict=True):
        problem = bad_byte(value)
        if problem is not None:
            return Broken(f"column {name!r}: {problem}; save the file as UTF-8")
    raise AssertionError("a broken row has a broken field")


def _broken_width(width: int, found: int, delimiter: str) -> Broken:
    too_many = "quote a text that holds commas" if delimiter == "," else "is there a tab in a text?"
    return Broken(f"{found} fields where the header has {width}: {too_many if found > width else 'is one missing?'}")
