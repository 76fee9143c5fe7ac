"""Parquet: batch by batch through pyarrow, so that no row group is held whole."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import CorpusError
from .files import BUFFER_BYTES
from .reader import START, Broken, Position, RawRow, RawRows, Reader, check_names

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BATCH_ROWS = 1024


class ParquetReader(Reader):
    """Reads parquet. Binary columns are taken as UTF-8 text where they are text."""

    unit = "row"

    def columns(self) -> tuple[str, ...]:
        with self._open() as table:
            return check_names(table.schema_arrow.names, self.file.uri)

    def rows(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRow]:
        for number, batch in self._read(wanted, start):
            for place, fields in enumerate(_records(batch), number + 1):
                self.offset = self.number = place
                yield place, fields

    def batches(self, wanted: Sequence[str] | None, start: Position = START) -> Iterator[RawRows]:
        for number, batch in self._read(wanted, start):
            at = 0
            while at < batch.num_rows:
                some = batch.slice(at, self.most_rows)
                numbers = range(number + at + 1, number + at + some.num_rows + 1)
                at += some.num_rows
                self.offset = self.number = number + at
                columns = _columns(some)
                by_row = None if columns is not None else [_record(some, row) for row in range(some.num_rows)]
                yield RawRows(numbers, columns, by_row)

    def _read(self, wanted: Sequence[str] | None, start: Position) -> Iterator[tuple[int, Any]]:
        """The record batches behind a position, each with the number of the row before its first one."""
        with self._open() as table:
            names = table.schema_arrow.names
            chosen = None if wanted is None else [name for name in names if name in wanted]
            groups, skipped = _groups_from(table, start.number)
            number = start.number - skipped
            self.offset = self.number = start.number
            for batch in table.iter_batches(_BATCH_ROWS, row_groups=groups, columns=chosen, use_threads=False):
                passed = min(skipped, batch.num_rows)
                skipped -= passed
                yield number + passed, batch.slice(passed)
                number += batch.num_rows

    @contextmanager
    def _open(self) -> Generator[pq.ParquetFile]:
        import pyarrow as pa  # takes a while, and most corpora are text
        import pyarrow.parquet as pq

        uri = self.file.uri
        try:
            with self.file.open() as raw, pq.ParquetFile(raw, pre_buffer=False, buffer_size=BUFFER_BYTES) as table:
                yield table
        except (pa.ArrowException, OSError) as error:
            message = str(error).partition("\n")[0]
            raise CorpusError(f"{uri} is no parquet file, or is damaged or cut short: {message}") from error


def _groups_from(table: pq.ParquetFile, row: int) -> tuple[list[int], int]:
    """The row groups that hold what follows the first `row` rows, and how many rows of the first of them to skip."""
    first = 0
    while first < table.num_row_groups and row >= (num_rows := table.metadata.row_group(first).num_rows):
        row -= num_rows
        first += 1
    return list(range(first, table.num_row_groups)), row if first < table.num_row_groups else 0


def _records(batch: Any) -> Iterator[dict[str, object] | Broken]:
    columns = _columns(batch)
    if columns is None:
        yield from (_record(batch, row) for row in range(batch.num_rows))
        return
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _columns(batch: Any) -> dict[str, list[object]] | None:
    """The values by column; None where one cannot be read, so that the rows to blame have to be found."""
    try:
        return {name: column.to_pylist() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    except (ValueError, OverflowError):  # text that is no UTF-8, dates that Python lacks
        return None


def _record(batch: Any, row: int) -> dict[str, object] | Broken:
    fields: dict[str, object] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            fields[name] = column[row].as_py()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            return Broken(f"column {name!r}: byte 0x{byte:02X} at byte {error.start + 1} is not UTF-8")
        except (ValueError, OverflowError) as error:
            return Broken(f"column {name!r}: the value cannot be read: {error}")
    return fields
