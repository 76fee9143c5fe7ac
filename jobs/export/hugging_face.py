"""Parquet tables with the audio in them and a card, as `datasets` loads and pushes them."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from ...actors.records.keys import CARD_KEY
from ...cluster.containers.base import local_disk, path_of, scratch_file
from ...cluster.storage import Storage
from .base import Exporter
from .clip import SPLITS, ExportedClip, Split
from .index import ExportIndex

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TABLE_BYTES = 400 << 20
"""Audio in a table, about; after that the next one begins."""
GROUP_BYTES = 16 << 20
_TYPES = {
    **dict.fromkeys(("id", "text", "normalized_text", "voice"), "string"),
    "seed": "int64",
    "speed": "float64",
    "sample_rate": "int32",
    "num_samples": "int64",
    "duration_s": "float64",
    "metadata": "string",
}


class HuggingFace(Exporter):
    """`data/train-00000.parquet` and so on, and a card that names them."""

    def __init__(self, target: Storage) -> None:
        super().__init__(target)
        self._tables = {split: _Tables(target, split) for split in SPLITS}

    def store(self, clip: ExportedClip) -> None:
        """Nothing: the audio is in the tables, which `collect` writes."""

    def collect(self, clip: ExportedClip) -> None:
        self._tables[clip.split].add(clip)

    def abort(self) -> None:
        for tables in self._tables.values():
            tables.abort()

    def finish(self, index: ExportIndex) -> None:
        for tables in self._tables.values():
            tables.end_table()
        self._target.put(CARD_KEY, _card([split for split in SPLITS if index.count(split)]).encode())


class _Tables:
    """The tables of one split, one open at a time."""

    def __init__(self, target: Storage, split: Split) -> None:
        self._target, self._split = target, split
        self._number = self._table_bytes = self._group_bytes = 0
        self._group: list[dict[str, object]] = []
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, clip: ExportedClip) -> None:
        told = {name: getattr(clip, name) for name in _TYPES}
        self._group.append({**told, "audio": {"bytes": clip.wav, "path": f"{clip.name}.wav"}})
        self._group_bytes += len(clip.wav)
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()
        if self._table_bytes >= TABLE_BYTES:
            self.end_table()

    def end_table(self) -> None:
        """Store the open table, if there is one."""
        self._write_group()
        if self._file is not None and self._writer is not None:
            with local_disk():
                writer, self._writer = self._writer, None
                writer.close()
                self._file.flush()
            self._target.put(f"data/{self._split}-{self._number:05d}.parquet", path_of(self._file))
            self._number += 1
            self._table_bytes = 0
        self.abort()

    def abort(self) -> None:
        file, writer, self._file, self._writer, self._group = self._file, self._writer, None, None, []
        with local_disk():
            if writer is not None:
                writer.close()
            if file is not None:
                file.close()

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._group:
            return
        rows = pa.Table.from_pylist(self._group, schema=_schema())
        with local_disk():
            if self._file is None or self._writer is None:
                self._file = scratch_file(".parquet")
                compression = {**dict.fromkeys([*_TYPES, "audio.path"], "zstd"), "audio.bytes": "none"}
                options: dict[str, Any] = {"compression": compression, "write_statistics": list(_TYPES)}
                self._writer = pq.ParquetWriter(self._file, rows.schema, **options)
            self._writer.write_table(rows)
        self._table_bytes += self._group_bytes
        self._group, self._group_bytes = [], 0


def _schema() -> Any:  # pyarrow has no types
    import pyarrow as pa

    types = {"audio": pa.struct([("bytes", pa.binary()), ("path", pa.string())])}
    types |= {name: pa.type_for_alias(kind) for name, kind in _TYPES.items()}
    features: dict[str, object] = {name: {"dtype": kind, "_type": "Value"} for name, kind in _TYPES.items()}
    described = json.dumps({"info": {"features": {"audio": {"_type": "Audio"}, **features}}})
    return pa.schema(list(types.items()), metadata={"huggingface": described})


def _card(splits: list[Split]) -> str:
    files = [line for split in splits for line in (f"  - split: {split}", f"    path: data/{split}-*.parquet")]
    header = ["---", "task_categories:", "- text-to-speech", "tags:", "- synthetic-speech", "- speechmill"]
    header += ["configs:", "- config_name: default", "  data_files:", *files, "---", ""]
    text = [
        "**Synthetic speech.** A model has spoken every clip; `export.json` says which, and under which licence.",
        "",
    ]
    return "\n".join(header + text)
