"""Csv, tsv and their kin: one record a line; quoted fields may hold line ends.

Guaranteed: a record that breaks the quoting rules or has another number of fields costs only its first line; the
lines after it are read again as records of their own, so that a stray quote never swallows its neighbours.
With tabs and "|", where many writers do not quote at all, a line whose quotes make no sense is taken as it stands, and
so are lines that have all their fields each although quotes seem to join them.
The columns are named by a header, by the job, or by the format; a header may also prove the delimiter.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from ...errors import CorpusError
from .dialect import DELIMITERS, SHORTHANDS, Dialect, proven_by_header, shown, usual
from .reader import START, TOGETHER_CHARS, Broken, Position, RawRow, RawRows, Reader, bad_byte, check_names
from .tape import Tape, tape_of

_MAX_BLANK_LINES = 100_000
"""Before the header."""
_TOGETHER_LINES = 1_024
"""Lines that are looked at together; one that is odd costs its neighbours some time."""
_SAMPLE_RECORDS = 20
"""Without a header, so many tell how many fields a record has."""
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
"""By this first line spreadsheets tell each other the delimiter."""


class DelimitedReader(Reader):
    """Reads fields between delimiters. The dialect is known once the columns are."""

    _one_by_one_until = 0
    """Up to this line, rows have to be told apart one by one."""

    def columns(self) -> tuple[str, ...]:
        with tape_of(self.file, self.options.max_chars) as tape:
            dialect, names = self._begin(tape)
        self.delimiter = dialect.delimiter
        return names

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        del wanted  # leaving columns out would cost more than it saves
        with self._tape(start) as (tape, dialect, names):
            for row in self._rows(tape, dialect, names):
                self.offset, self.number = tape.offset, tape.line
                yield row

    def batches(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRows]:
        del wanted
        with self._tape(start) as (tape, dialect, names):
            self._one_by_one_until = 0
            while (batch := self._batch(tape, dialect, names)) is not None:
                yield batch

    @contextmanager
    def _tape(self, start: Position) -> Generator[tuple[Tape, Dialect, tuple[str, ...]]]:
        """The file at a position, with its dialect and its columns."""
        with tape_of(self.file, self.options.max_chars) as tape:
            dialect, names = self._begin(tape)
            self.decimal = dialect.decimal
            if start.offset:
                tape.seek(start)
            self.offset, self.number = start.offset, start.number
            yield tape, dialect, names

    def _batch(self, tape: Tape, dialect: Dialect, names: Sequence[str]) -> RawRows | None:
        """The next rows, at most `most_rows`; None at the end."""
        if tape.line >= self._one_by_one_until:
            num_lines = len(tape.some(min(self.most_rows, _TOGETHER_LINES), TOGETHER_CHARS))
            batch = _plain_rows(tape, dialect, names) if num_lines else None
            if batch is not None or not num_lines:
                self.offset, self.number = tape.offset, tape.line
                return batch
            self._one_by_one_until = tape.line + num_lines
            tape.rewind()
        rows: list[RawRow] = []
        for row in self._rows(tape, dialect, names):
            rows.append(row)
            self.offset, self.number = tape.offset, tape.line
            if len(rows) >= self.most_rows or tape.line >= self._one_by_one_until:
                break
        return RawRows.of(rows) if rows else None

    @property
    def _has_header(self) -> bool:
        return self.options.header is not False and self.file.format not in SHORTHANDS

    def _rows(self, tape: Tape, dialect: Dialect, names: Sequence[str]) -> Iterator[RawRow]:
        width = len(names)
        while True:
            try:
                for values in dialect.records(tape.lines()):
                    if len(tape.pending) > 1 and _is_swallowed(tape.pending, dialect, len(values), width):
                        break
                    if len(values) == width:
                        joined = "".join(values)
                        if joined.isascii() or bad_byte(joined) is None:
                            yield tape.accept(), dict(zip(names, values, strict=False))
                        else:
                            yield tape.accept(), _broken_text(names, values)
                    elif values:
                        yield tape.accept(), self._broken_width(width, len(values), dialect)
                    else:
                        tape.accept()  # a blank line
                else:
                    return
                yield _resume(tape, dialect, names, f"it has not the {width} fields of {self._namer}")
            except csv.Error as error:
                yield _resume(tape, dialect, names, str(error))

    @property
    def _namer(self) -> str:
        """What names the columns."""
        return "the header" if self._has_header else "input.columns" if self.options.columns else "the first lines"

    def _broken_width(self, width: int, found: int, dialect: Dialect) -> Broken:
        what = {",": "commas", "\t": "tabs"}.get(dialect.delimiter, shown(dialect.delimiter))
        if dialect.is_lenient:
            advice = "is there a tab in a text?" if what == "tabs" else f"is there a {what} in a text?"
        else:
            advice = f"quote a text that holds {what}"
        has = "have" if self._namer.endswith("lines") else "has"
        return Broken(
            f"{found} fields where {self._namer} {has} {width}: {advice if found > width else 'is one missing?'}"
        )

    # ------------------------------------------------------------------ columns

    def _begin(self, tape: Tape) -> tuple[Dialect, tuple[str, ...]]:
        """The dialect and the columns; the tape is at the first row.

        Raises:
            CorpusError: The corpus cannot be read; the message names the file and place
        """
        delimiter = self.options.delimiter
        if self.file.format in SHORTHANDS:
            dialect = Dialect(delimiter or usual(self.file.format), is_quoted=False)
            return dialect, self._unnamed(tape, dialect)
        if not self._has_header:
            dialect = Dialect(delimiter or usual(self.file.format))
            return dialect, self._unnamed(tape, dialect)
        dialect = Dialect(delimiter or self._found_delimiter(tape))
        return dialect, self._header(tape, dialect)

    def _found_delimiter(self, tape: Tape) -> str:
        """The delimiter that the first line proves."""
        first = usual(self.file.format)
        self._peek(tape, first)  # which steps over blank lines
        for line in islice(tape.lines(), 1):
            if told := _SEP_LINE.fullmatch(line):
                tape.accept()
                return told[1]
        tape.rewind()
        named = [name for name in self.options.required if name != self.options.text]
        return proven_by_header(lambda delimiter: self._peek(tape, delimiter), first, self.options.text, named)

    def _peek(self, tape: Tape, delimiter: str) -> list[str] | None:
        try:
            return _first_record(tape, Dialect(delimiter))
        except csv.Error:
            return None
        finally:
            tape.rewind()

    def _header(self, tape: Tape, dialect: Dialect) -> tuple[str, ...]:
        uri = self.file.uri
        try:
            names = _first_record(tape, dialect)
        except csv.Error as error:
            raise CorpusError(f"{uri} has no readable header in line 1: {error}") from error
        if names is None:
            raise CorpusError(f"{uri} is empty: its first line has to name the columns")
        problem = bad_byte("".join(names))
        if problem is not None:
            raise CorpusError(f"{uri} line 1: {problem}; save the file as UTF-8")
        tape.accept()
        return check_names([name.strip() for name in names], uri)

    def _unnamed(self, tape: Tape, dialect: Dialect) -> tuple[str, ...]:
        """The columns of a file without a header.

        Raises:
            CorpusError: If the rows have another number of fields
        """
        names, by_width = self.options.columns, SHORTHANDS.get(self.file.format, {})
        found = _width(tape, dialect)
        if not found:  # no rows, or none that can be read
            return names or by_width[3]
        if names and found == len(names):
            return names
        if not names and found in by_width:
            return by_width[found]
        between = f"{self.file.uri}: between {shown(dialect.delimiter)} its rows have {found} fields"
        if not names:
            known = ", ".join(dialect.delimiter.join(columns) for columns in by_width.values())
            raise CorpusError(
                f"{between}, and {self.file.format} has {known}; name them: --set 'input.columns=[id, text, …]'"
            )
        others = [other for other in DELIMITERS if _width(tape, Dialect(other)) == len(names)]
        cure = [f"; between {shown(o)} they have {len(names)}: --set input.delimiter={_set(o)}" for o in others[:1]]
        raise CorpusError(f"{between}, and input.columns names {len(names)}{''.join(cure)}")


def _width(tape: Tape, dialect: Dialect) -> int:
    """How many fields most of the first records have; 0 where none can be read. The tape stays where it is."""
    widths: Counter[int] = Counter()
    try:
        for values in islice(filter(None, dialect.records(tape.lines())), _SAMPLE_RECORDS):
            widths[len(values)] += 1
    except csv.Error:
        pass
    tape.rewind()
    return max(widths, key=lambda width: widths[width], default=0)


def _set(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else f"'\"{delimiter}\"'"


def _first_record(tape: Tape, dialect: Dialect) -> list[str] | None:
    for values in dialect.records(tape.lines()):
        if values:
            return values
        tape.accept()  # a blank line
        if tape.line > _MAX_BLANK_LINES:
            return None
    return None


def _plain_rows(tape: Tape, dialect: Dialect, names: Sequence[str]) -> RawRows | None:
    """The pending lines as a row each, and accepted; None, and still pending, if one of them is anything else."""
    lines = tape.pending
    try:
        records = list(dialect.records(lines))
    except csv.Error:
        return None
    if len(records) != len(lines) or set(map(len, records)) != {len(names)} or tape.is_too_long:
        return None
    joined = "".join(lines)
    if not joined.isascii() and bad_byte(joined) is not None:
        return None
    first = tape.accept()
    return RawRows(range(first, first + len(records)), dict(zip(names, zip(*records, strict=True), strict=True)))


def _is_swallowed(lines: Sequence[str], dialect: Dialect, found: int, width: int) -> bool:
    """Whether a record of several lines is several records behind a stray quote."""
    if found != width:
        return True
    delimiter = dialect.delimiter
    return dialect.is_lenient and width > 1 and all(line.count(delimiter) == width - 1 for line in lines)


def _resume(tape: Tape, dialect: Dialect, names: Sequence[str], problem: str) -> RawRow:
    """The first line of a record that makes no sense, alone; the next record starts on the next line."""
    line, content = tape.reject()
    if dialect.is_lenient:
        values = content.rstrip("\r\n").split(dialect.delimiter)
        if len(values) == len(names):
            is_text = bad_byte(content) is None
            return line, dict(zip(names, values, strict=True)) if is_text else _broken_text(names, values)
    return line, Broken(
        f'the record that starts here cannot be read ({problem}): is a quote (") missing or not doubled?'
    )


def _broken_text(names: Sequence[str], values: Sequence[str]) -> Broken:
    for name, value in zip(names, values, strict=True):
        problem = bad_byte(value)
        if problem is not None:
            return Broken(f"column {name!r}: {problem}; save the file as UTF-8")
    raise AssertionError("a broken row has a broken field")
