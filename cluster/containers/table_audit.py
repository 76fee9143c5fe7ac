"""A parquet table compared with the one that the writer of its clips makes: columns, rows, cells and statistics.

Guaranteed: where there is no fault, a reader of the table's columns, in whole or by its statistics, is given what the
writer was told, and nothing else. Not known here: how the table is laid out in its file, and who wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import JobError
from ..storage.base import Storage
from .base import ClipInfo, Fault, Member, ReadAnswer, unanswered
from .parquet import READ_ROWS, cells, schema

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def audit_table(
    storage: Storage, key: str, told: Mapping[Member, ClipInfo], extension: str
) -> Iterator[ReadAnswer | Fault]:
    """Answers for the rows that were told of, in the order of the table, and its faults."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    left = dict(told)
    cause: Exception | None = None
    try:
        with storage.open(key) as file, pq.ParquetFile(file, page_checksum_verification=True) as table:
            for found in _Audit(key, table, left, extension).run():
                if not isinstance(found, Fault):
                    del left[found[0][1]]
                yield found
    except (pa.ArrowException, JobError, OSError, LookupError, TypeError, ValueError, OverflowError) as error:
        cause = error
    if cause is not None and not left:
        yield Fault(key, f"cannot be read to its end: {cause}")
    yield from unanswered(storage, key, list(left), cause)


class _Audit:
    """One pass over a table. `left` are the clips that were not met yet; the caller takes them away."""

    def __init__(self, key: str, table: pq.ParquetFile, left: Mapping[Member, ClipInfo], extension: str) -> None:
        self._key, self._table, self._left, self._extension = key, table, left, extension
        self._has_others = any(clip.is_kept for clip in left.values())
        self._is_ours = bool(table.schema_arrow.equals(schema(), check_metadata=True))

    def run(self) -> Iterator[ReadAnswer | Fault]:
        """Raises what pyarrow raises where the table cannot be read on."""
        num_rows = self._table.metadata.num_rows
        if not self._is_ours:
            yield self._fault("its columns are not those that were written")
        if num_rows != len(self._left) and not (self._has_others and num_rows > len(self._left)):
            yield self._fault(f"it has {num_rows} rows, of which the manifest names {len(self._left)}")
        start = 0
        for group in range(self._table.num_row_groups):
            end = start + self._table.metadata.row_group(group).num_rows
            if any(isinstance(member, int) and start <= member < end for member in self._left):
                yield from self._group(group, start)
            start = end

    def _group(self, group: int, start: int) -> Iterator[ReadAnswer | Fault]:
        columns = None if self._is_ours else ["audio.bytes"]
        bounds = _Bounds()
        for batch in self._table.iter_batches(READ_ROWS, row_groups=[group], columns=columns, use_threads=False):
            for index, found in enumerate(batch.to_pylist(), start):
                data = found["audio"]["bytes"]
                clip = self._left.get(index)
                if clip is not None and isinstance(data, bytes):
                    yield (self._key, index), data
                    if self._is_ours:
                        yield from self._cells(clip, found, cells(clip, data, self._extension))
                        bounds.add(found)
                elif self._has_others and self._is_ours:
                    bounds.add(found)  # of a row that was updated since
            start += batch.num_rows
        if self._is_ours and not bounds.fit(self._table.metadata.row_group(group)):
            yield self._fault(f"the statistics of row group {group} are not those of its rows")

    def _cells(self, clip: ClipInfo, found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Fault]:
        names = [name for name in wanted if found[name] != wanted[name]]
        if names:
            yield self._fault(f"row {clip.row}: its row of the table differs from the manifest in {', '.join(names)}")

    def _fault(self, text: str) -> Fault:
        return Fault(self._key, text)


class _Bounds:
    """The least and the largest value of each column of a row group."""

    def __init__(self) -> None:
        self._bounds: dict[str, tuple[Any, Any]] = {}

    def add(self, found: dict[str, Any]) -> None:
        """A row's values."""
        for name, value in found.items():
            if name != "audio":
                least, most = self._bounds.get(name, (value, value))
                self._bounds[name] = min(least, value), max(most, value)

    def fit(self, group: Any) -> bool:
        """Whether the statistics of a row group, as far as it has any, are these."""
        for number in range(group.num_columns):
            column = group.column(number)
            held = column.statistics
            if held is None:
                continue
            if held.null_count or column.path_in_schema not in self._bounds:
                return False
            if held.has_min_max and (held.min, held.max) != self._bounds[column.path_in_schema]:
                return False
        return True
