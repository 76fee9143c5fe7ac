"""A corpus that is edited, its job and its output: what is in it, and whether it is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import speechmill
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import Storage
from speechmill.jobs.output.holdings import counted_parts
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.output.reader import load_part
from speechmill.jobs.output.status import status
from speechmill.jobs.verify import corpus_of, verify

CONTAINERS = ["files", "webdataset", "parquet"]
Row = tuple[str, str, str]
"""Id, text and chapter."""


def rows_of(count: int) -> list[Row]:
    return [(f"id-{row}", f"Row {row} {'la ' * (row * 7 % 20)}", f"{row // 10}") for row in range(count)]


def write(folder: Path, rows: list[Row]) -> None:
    lines = "".join(f"{name},{text},{chapter}\n" for name, text, chapter in rows)
    (folder / "corpus.csv").write_text(f"id,text,chapter\n{lines}", encoding="utf-8")


def job_of(folder: Path, container: str = "webdataset", out: str = "out", **sections: Any) -> speechmill.Job:
    model = {"name": "tone", "options": {"audio_char_s": 0.002, "reject": "xyzzy"}}
    sharding = {"shard_rows": 8, "window_rows": 24}
    where = out if "://" in out else str(folder / out)
    output = {"uri": where, "container": container, "audio": "wav"}
    more = {"failure": {"max_failed_rows": 100}} | sections
    return speechmill.Job(
        input={"uri": str(folder / "corpus.csv")}, model=model, output=output, sharding=sharding, **more
    )


def records(storage: Storage, generation: int | None = None) -> dict[int, Record]:
    """All rows by number; each once."""
    output = OutputFile.load(storage).at(generation, "job.json")
    found = [record for part in counted_parts(storage, output) for record in load_part(storage, part)]
    assert len({record.row for record in found}) == len(found)
    return {record.row: record for record in found}


def sounds(storage: Storage, generation: int | None = None) -> dict[int, tuple[object, ...]]:
    """What a reader cares for: of each row its content, and a hash of its samples."""
    return {
        row: (r.id, r.status, r.error, r.text, r.voice, r.seed, r.speed, r.pcm_sha256, dict(r.metadata))
        for row, r in records(storage, generation).items()
    }


def objects(storage: Storage) -> dict[str, str]:
    return {entry.key: entry.version for entry in storage.list("audio/")}


def check_sound(storage: Storage, job: speechmill.Job) -> None:
    report = verify(storage, corpus=corpus_of(OutputFile.load(storage)))
    assert (report.problems, report.is_complete, report.num_orphans) == ((), True, 0)
    assert not status(storage).is_damaged
    assert job.run().new_rows == 0
