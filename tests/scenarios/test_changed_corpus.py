"""A corpus that changes in mid-run: the run stops and names the file, and what is committed is of the corpus as it was.

Such a run once went on: its output held rows of both contents, and `verify` found nothing wrong with it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.measured import measured

import speechmill
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.cluster.storage import S3Options, open_storage
from speechmill.errors import CorpusChanged, JobChanged
from speechmill.jobs.run.exit_status import ExitStatus
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.usefixtures("hosted_replicas")
NUM_ROWS = 240
PAD = "x" * 12_000
"""The file is longer than what is read of it at once."""


def content(word: str, num_rows: int = NUM_ROWS) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["id", "text", "pad"])
    writer.writerows([f"id-{row}", f"{word} {row}", PAD] for row in range(num_rows))
    return stream.getvalue().encode()


def job_of(uri: str, output: Path, cell_s: float, **s3: Any) -> speechmill.Job:
    """A job that plans a few shards ahead of those that are spoken."""
    return speechmill.Job(
        input={"uri": uri, "id": "id", "s3": s3},
        model={"name": "tone", "options": measured(audio_char_s=0.002, cell_s=cell_s)},
        output={"uri": str(output), "container": "parquet"},
        cluster={"replicas": 1},
        sharding={"shard_rows": 8, "window_rows": 16},
    )


class Change:
    """An observer that changes something once, when rows are committed and others are not read yet."""

    def __init__(self, change: Callable[[], object]) -> None:
        self._change = change
        self.is_done = False

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.rows_committed and not self.is_done:
            assert not snapshot.is_total_exact, "all is read already"
            self.is_done = True
            self._change()


def records_of(output: Path) -> list[Record]:
    storage = open_storage(str(output))
    return [r for entry in storage.list("manifest/") for r in decode_records(storage.get(entry.key), entry.key)]


def is_as_it_was(output: Path) -> bool:
    """Whether what is committed is rows of the corpus as it was, and not all of them."""
    records = records_of(output)
    assert {record.text for record in records} <= {f"Row {row}" for row in range(NUM_ROWS)}
    return {record.status for record in records} == {"ok"} and len(records) < NUM_ROWS


def is_whole(output: Path) -> bool:
    report = verify(open_storage(str(output)))
    rows = sorted((record.row, record.text) for record in records_of(output))
    return report.is_ok and report.is_complete and rows == [(row, f"Row {row}") for row in range(NUM_ROWS)]


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(content("Bad"))


def cut_short(path: Path) -> None:
    """At the end of a row: what is left looks like a whole corpus."""
    os.truncate(path, len(content("Row", NUM_ROWS - 50)))


@pytest.mark.parametrize("change", [in_place, cut_short, Path.unlink], ids=lambda change: change.__name__)
def test_a_file_that_changes_stops_the_run_and_restored_it_goes_on(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    source = tmp_path / "corpus.csv"
    source.write_bytes(content("Row"))
    job = job_of(str(source), tmp_path / "out", 0.001)
    with pytest.raises(CorpusChanged, match=r"corpus\.csv has changed since the run began") as told:
        job.run(observe=Change(lambda: change(source)))
    assert ExitStatus.of(told.value) == 3
    assert is_as_it_was(tmp_path / "out")
    if change is in_place:
        with pytest.raises(JobChanged, match="the corpus itself"):
            job.run()
    source.write_bytes(content("Row"))
    assert job.run().num_ok == NUM_ROWS
    assert is_whole(tmp_path / "out")


def test_an_object_that_is_overwritten_stops_the_run(tmp_path: Path, s3_env: Any) -> None:
    uri = f"s3://{s3_env.new_bucket()}/in"
    storage = open_storage(uri, S3Options(endpoint_url=s3_env.endpoint))
    storage.put("corpus.csv", content("Row"))
    job = job_of(f"{uri}/corpus.csv", tmp_path / "out", 0.001, endpoint_url=s3_env.endpoint)
    with pytest.raises(CorpusChanged, match=r"in/corpus\.csv has changed since the run began: size 2.*, version"):
        job.run(observe=Change(lambda: storage.put("corpus.csv", content("Bad"))))
    assert is_as_it_was(tmp_path / "out")
    storage.put("corpus.csv", content("Row"))
    assert job.run().num_ok == NUM_ROWS
    assert is_whole(tmp_path / "out")


def test_a_file_that_is_touched_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "corpus.csv"
    source.write_bytes(content("Row"))
    touch = Change(lambda: os.utime(source, ns=(0, 0)))
    assert job_of(str(source), tmp_path / "out", 0.001).run(observe=touch).num_ok == NUM_ROWS
    assert touch.is_done
    assert is_whole(tmp_path / "out")


def test_what_changes_after_all_was_read_leaves_the_output_unmarked(tmp_path: Path) -> None:
    """Restored, the run has nothing to speak, and completes the output without a replica."""
    (tmp_path / "a.csv").write_bytes(content("Row"))
    job = job_of(f"{tmp_path}/*.csv", tmp_path / "out", 0.0)
    other, new = tmp_path / "b.csv", content("New", 1)
    with pytest.raises(CorpusChanged, match=r"b\.csv has come since the run began\. Every row .* is committed"):
        job.run(observe=lambda _: other.write_bytes(new))
    assert len(records_of(tmp_path / "out")) == NUM_ROWS
    assert not (tmp_path / "out" / "complete.json").exists()
    with pytest.raises(JobChanged, match="the corpus itself"):
        job.run()
    other.unlink()
    seen: list[Snapshot] = []
    result = job.run(observe=seen.append)
    assert (result.num_ok, result.num_replicas, result.exit_code, seen) == (NUM_ROWS, 0, 0, [])
    assert is_whole(tmp_path / "out")
