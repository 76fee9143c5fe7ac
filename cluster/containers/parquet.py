"""A parquet table a part, a row a clip, as Hugging Face `datasets` loads it: `audio` is struct<bytes, path>.

Guaranteed: row groups of `GROUP_ROWS` rows (fewer when they are large) are written to the local disk as they fill;
pages carry checksums, which reading verifies. The layout of `audio` and the "huggingface" entry of the schema
follow the Audio feature of the `datasets` library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from ...actors.records.json_line import dumps
from ...errors import JobError
from ..storage.base import Storage
from .base import (
    ClipInfo,
    Container,
    ContainerWriter,
    Fault,
    Member,
    Place,
    ReadAnswer,
    by_key,
    by_object,
    local_disk,
    part_prefix,
    path_of,
    scratch_file,
    stem,
    unanswered,
)

if TYPE_CHECKING:
    import pyarrow.parquet as pq

GROUP_ROWS = 100
GROUP_BYTES = 32 << 20
READ_ROWS = 16
_TEXT = ("id", "text", "voice", "metadata")
_NUMBERS = {
    "seed": "int64",
    "speed": "float64",
    "sample_rate": "int32",
    "num_samples": "int64",
    "duration_s": "float64",
}


class Parquet(Container):
    """One table for all clips of a part."""

    name = "parquet"

    def open_part(self, storage: Storage, part: str, extension: str, key_prefixes: int = 0) -> ContainerWriter:
        return _ParquetWriter(storage, f"{part_prefix(part, key_prefixes)}.parquet", extension)

    def read(self, storage: Storage, places: Sequence[Place]) -> Iterator[ReadAnswer]:
        for key, members in by_object(places).items():
            yield from _read_table(storage, key, members)

    def audit(self, storage: Storage, told: Mapping[Place, ClipInfo], extension: str) -> Iterator[ReadAnswer | Fault]:
        from .table_audit import audit_table

        for key, clips in by_key(told).items():
            yield from audit_table(storage, key, clips, extension)


def schema() -> Any:  # pyarrow has no types
    """Columns and their types, with the features that `datasets` looks for."""
    import pyarrow as pa

    features: dict[str, object] = {name: {"dtype": "string", "_type": "Value"} for name in _TEXT}
    features |= {name: {"dtype": kind, "_type": "Value"} for name, kind in _NUMBERS.items()}
    features["audio"] = {"_type": "Audio"}
    types = {name: pa.string() for name in _TEXT}
    types |= {name: pa.type_for_alias(kind) for name, kind in _NUMBERS.items()}
    types["audio"] = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    order = ("id", "audio", "text", "voice", *_NUMBERS, "metadata")
    described = json.dumps({"info": {"features": {name: features[name] for name in order}}})
    return pa.schema([(name, types[name]) for name in order], metadata={"huggingface": described})


def cells(clip: ClipInfo, encoded: bytes, extension: str) -> dict[str, object]:
    """The row of the table that a clip becomes, by column."""
    values = {name: clip.sidecar[name] for name in ("text", "voice", *_NUMBERS)}
    values["id"], values["metadata"] = clip.id, dumps(cast("Mapping[str, object]", clip.sidecar["metadata"]))
    values |= {name: _utf8(str(values[name])) for name in _TEXT}
    values["audio"] = {"bytes": encoded, "path": f"{stem(clip.row, clip.id)}.{extension}"}
    return values


class _ParquetWriter(ContainerWriter):
    def __init__(self, storage: Storage, key: str, extension: str) -> None:
        self._storage = storage
        self._key = key
        self._extension = extension
        self._num_rows = 0
        self._group: list[dict[str, object]] = []
        self._group_bytes = 0
        self._file: IO[bytes] | None = None
        self._table: pq.ParquetWriter | None = None

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> Place:
        self._group.append(cells(ClipInfo(row, id, sidecar), encoded, self._extension))
        self._group_bytes += len(encoded)
        self._num_rows += 1
        if len(self._group) >= GROUP_ROWS or self._group_bytes >= GROUP_BYTES:
            self._write_group()
        return self._key, self._num_rows - 1

    def close(self) -> None:
        try:
            self._write_group()
            if self._file is not None and self._table is not None:
                with local_disk():
                    table, self._table = self._table, None
                    table.close()
                    self._file.flush()
                self._storage.put(self._key, path_of(self._file))
        finally:
            self.abort()

    def abort(self) -> None:
        file, table, self._file, self._table, self._group = self._file, self._table, None, None, []
        with local_disk():
            try:
                if table is not None:
                    table.close()
            finally:
                if file is not None:
                    file.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        if not self._group:
            return
        rows = pa.Table.from_pylist(self._group, schema=schema())
        with local_disk():
            if self._file is None or self._table is None:
                self._file = scratch_file(".parquet")
                self._table = _open_table(self._file, rows.schema)
            self._table.write_table(rows)
        self._group, self._group_bytes = [], 0


def _open_table(file: IO[bytes], columns: Any) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    plain = [*_TEXT, *_NUMBERS, "audio.path"]
    # Encoded audio does not compress, and statistics of it would repeat whole clips in the footer.
    options: dict[str, Any] = {
        "compression": {**dict.fromkeys(plain, "zstd"), "audio.bytes": "none"},
        "use_dictionary": ["voice"],
        "write_statistics": ["id", *_NUMBERS],
        "write_page_checksum": True,
    }
    return pq.ParquetWriter(file, columns, **options)


def _utf8(text: str) -> str:
    """The text with what UTF-8 cannot hold (lone surrogates) as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _audio_of(table: pq.ParquetFile, group: int) -> Iterator[Any]:
    """The cells of a row group, few at a time: a page of some bytes may stand for a million clips."""
    for batch in table.iter_batches(READ_ROWS, row_groups=[group], columns=["audio.bytes"], use_threads=False):
        yield from batch.column("audio")


def _read_table(storage: Storage, key: str, members: Sequence[Member]) -> Iterator[ReadAnswer]:
    """Rows of one table, a few in memory at a time; then an answer for each that was not found."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = dict.fromkeys(members)
    cause: Exception | None = None
    try:
        with storage.open(key) as file, pq.ParquetFile(file, page_checksum_verification=True) as table:
            start = 0
            for group in range(table.num_row_groups):
                end = start + table.metadata.row_group(group).num_rows
                if any(isinstance(member, int) and start <= member < end for member in wanted):
                    for index, cell in enumerate(_audio_of(table, group), start=start):
                        if index in wanted:
                            data = cast("object", cell["bytes"].as_py())
                            if isinstance(data, bytes):
                                del wanted[index]
                                yield (key, index), data
                start = end
    except (pa.ArrowException, JobError, OSError, LookupError, TypeError, ValueError, OverflowError) as error:
        cause = error
    yield from unanswered(storage, key, list(wanted), cause)
