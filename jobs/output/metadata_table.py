"""`metadata.csv` of an output whose clips are files: a line a clip, in the order of the corpus, for tools that open it.

Guaranteed: it is made of the manifests alone, holds every clip that counts once, and one window's rows are in memory at
a time. It is no part of any commit: a run writes it before it marks the output as complete, and writes it anew when it
completes a repaired output.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import groupby

from ...actors.records.json_line import dumps
from ...actors.records.keys import METADATA_KEY
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...cluster.containers.base import local_disk, path_of, scratch_file
from ...cluster.storage import Storage
from ..corpus.parallel import in_order
from .holdings import counted_parts
from .output_file import OutputFile
from .reader import load_part

COLUMNS = (
    *("file_name", "id", "text", "normalized_text", "voice", "seed", "speed"),
    *("sample_rate", "num_samples", "duration_s", "metadata"),
)


def write_metadata(storage: Storage, output: OutputFile) -> None:
    """Write `metadata.csv` of all clips that count.

    Raises:
        JobError: A manifest is damaged
        StorageFull: No space is left, in the store or in the temporary folder
    """
    with scratch_file(".csv") as file:
        with local_disk():
            file.write(_encoded([COLUMNS]))
        for rows in _windows(storage, output):
            with local_disk():
                file.write(_encoded(map(_cells, rows)))
        with local_disk():
            file.flush()
        storage.put(METADATA_KEY, path_of(file))


def _windows(storage: Storage, output: OutputFile) -> Iterator[list[Record]]:
    """The spoken rows of each window, in the order of the corpus."""
    loaded = in_order(partial(_load, storage), counted_parts(storage, output))
    for _, parts in groupby(loaded, key=lambda loaded: loaded[0]):
        rows = [record for _, records in parts for record in records if record.audio is not None]
        yield sorted(rows, key=lambda record: record.row)


def _load(storage: Storage, part: PartName) -> tuple[int, list[Record]]:
    return part.window, load_part(storage, part)


def _cells(record: Record) -> tuple[object, ...]:
    told = {
        **record.sidecar,
        "file_name": record.audio,
        "normalized_text": record.text if record.normalized_text is None else record.normalized_text,
        "metadata": dumps(record.metadata),
    }
    return tuple(told[name] for name in COLUMNS)


def _encoded(rows: Iterator[tuple[object, ...]] | map[tuple[object, ...]] | list[tuple[str, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    # What UTF-8 cannot hold (lone surrogates) becomes an escape.
    return text.getvalue().encode("utf-8", "backslashreplace")
