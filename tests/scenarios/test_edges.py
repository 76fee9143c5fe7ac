"""Runs at their edges: no row, one row, none that can be spoken, a clock that jumps, an output that is taken away.

Each ends with the right exit status and message, and the second run with the same; nothing is lost.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.measured import measured
from typer.testing import CliRunner

import speechmill
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.cluster.lease.clocks import REAL
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobError, OutputBusy, RunStopped
from speechmill.jobs.cli.main import app
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.verify import verify

Row = dict[str, Any]
HOURS_S = 6 * 3600.0


def rows(num_rows: int, text: str = "Row") -> list[Row]:
    return [{"id": f"id-{row}", "text": f"{text} {row} " + "la " * (row * 7 % 40)} for row in range(num_rows)]


def job_of(folder: Path, corpus: list[Row], replicas: int = 1, **options: Any) -> speechmill.Job:
    path = folder / "corpus.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=["id", "text"])
        writer.writeheader()
        writer.writerows(corpus)
    return speechmill.Job(
        input={"uri": str(path)},
        model={"name": "tone", "options": measured(audio_char_s=0.002, **options)},
        output={"uri": str(folder / "out"), "container": "webdataset"},
        cluster={"replicas": replicas},
        sharding={"shard_rows": 8},
    )


def records_of(output: str) -> list[Record]:
    storage = open_storage(output)
    found = [r for entry in storage.list("manifest/") for r in decode_records(storage.get(entry.key), entry.key)]
    return sorted(found, key=lambda record: record.row)


CASES: dict[str, tuple[list[Row], dict[str, Any], int, int]] = {
    # name: (rows, options, how many are spoken, exit status)
    "no row": ([], {}, 0, 0),
    "one row": (rows(1), {}, 1, 0),
    "two rows, two replicas": (rows(2), {"replicas": 2}, 2, 0),
    "all rows rejected": ([{"id": f"{n}", "text": " "} for n in range(20)], {}, 0, 1),
    "all rows one id": ([{"id": "a", "text": "Hello."} for _ in range(20)], {}, 1, 1),
    "all rows fail in the model": (rows(20), {"reject": "Row"}, 0, 1),
    "the only row fails in the model": (rows(1), {"reject": "Row"}, 0, 1),
    "all rows fail but the last": ([*rows(19), {"id": "z", "text": "Fine."}], {"reject": "Row"}, 1, 1),
}


@pytest.mark.usefixtures("hosted_replicas")
@pytest.mark.parametrize("name", CASES)
def test_a_run_at_an_edge_ends_well_and_so_does_the_next(tmp_path: Path, name: str) -> None:
    corpus, options, num_ok, status = CASES[name]
    job = job_of(tmp_path, corpus, **options)
    first = job.run()
    assert (first.num_rows, first.num_ok, first.num_failed) == (len(corpus), num_ok, len(corpus) - num_ok)
    assert first.exit_code == status
    assert [record.row for record in records_of(first.output)] == list(range(len(corpus)))
    assert all(record.error for record in records_of(first.output) if record.status == "failed")
    report = verify(open_storage(first.output))
    assert (report.is_ok, report.is_complete, report.num_orphans, report.num_clips) == (True, True, 0, num_ok)

    before = [(entry.key, entry.version) for entry in open_storage(first.output).list()]
    seen: list[Snapshot] = []
    second = job.run(observe=seen.append)
    assert (second.num_rows, second.num_ok, second.num_failed) == (len(corpus), num_ok, len(corpus) - num_ok)
    assert (second.exit_code, second.new_rows, seen) == (status, 0, [])
    assert [(entry.key, entry.version) for entry in open_storage(first.output).list()] == before
    assert len(list(speechmill.read(first.output))) == num_ok


class Once:
    """An observer that does something when the first rows are committed."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self.is_done = False

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.rows_committed and not self.is_done:
            self.is_done = True
            self._action()


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("hosted_replicas")
def test_a_second_driver_is_refused_and_the_first_one_ends(tmp_path: Path) -> None:
    job = job_of(tmp_path, rows(80), cell_s=0.0005)

    def run_too() -> None:
        with pytest.raises(OutputBusy, match="another run writes to"):
            job.run()
        with pytest.raises(OutputBusy, match="another run writes to"):
            job.run(overwrite=True)

    watch = Once(run_too)
    assert job.run(observe=watch).num_ok == 80
    assert watch.is_done
    assert verify(open_storage(str(tmp_path / "out"))).is_ok


@pytest.mark.usefixtures("hosted_replicas")
@pytest.mark.parametrize("jump_s", [HOURS_S, -HOURS_S])
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, jump_s: float) -> None:
    """In mid-run, and between two runs, of which the first is interrupted. The time of day is read in one place."""
    held, ahead = REAL.wall_s, [0.0]
    object.__setattr__(REAL, "wall_s", lambda: held() + ahead[0])
    try:
        job = job_of(tmp_path, rows(80), cell_s=0.0005)

        def jump_and_stop() -> None:
            ahead[0] += jump_s
            interrupt()

        with pytest.raises(KeyboardInterrupt):
            job.run(observe=Once(jump_and_stop))
        committed = len(records_of(str(tmp_path / "out")))
        assert 0 < committed < 80
        ahead[0] += jump_s
        seen: list[Snapshot] = []

        def look(snapshot: Snapshot) -> None:
            ahead[0] -= 3 * jump_s if not seen else 0.0
            seen.append(snapshot)

        result = job.run(observe=look)
    finally:
        object.__setattr__(REAL, "wall_s", held)
    assert (result.num_rows, result.num_ok, result.exit_code) == (80, 80, 0)
    assert result.new_rows <= 80 - committed
    assert all(snapshot.eta_s is None or 0 <= snapshot.eta_s < 600 for snapshot in seen)
    report = verify(open_storage(result.output), sweep=True)
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, 80)


@pytest.mark.usefixtures("hosted_replicas")
def test_an_output_that_is_deleted_in_mid_run_stops_the_run_and_the_next_speaks_all(tmp_path: Path) -> None:
    """What was committed is gone with it: the run must not end as if it were there."""
    out = tmp_path / "out"
    job = job_of(tmp_path, rows(80), cell_s=0.0005)
    with pytest.raises((RunStopped, JobError), match=str(out)):
        job.run(observe=Once(lambda: out.rename(tmp_path / "gone")))  # at once, however much is being written
    assert not (out / "job.json").exists()
    shutil.rmtree(out, ignore_errors=True)
    result = job.run()
    assert (result.num_ok, result.exit_code) == (80, 0)
    assert verify(open_storage(result.output)).is_ok


PLACES = ["file", "file/x", "manifest is a file", "/proc/mill", "/dev/null/x", "/sys/x"]
FOUND_LATE = ("run", "manifest is a file")
"""By the first that writes there: a replica has started by then."""


@pytest.mark.parametrize(
    ("command", "place"),
    [
        pytest.param(command, place, marks=[pytest.mark.integration] if (command, place) == FOUND_LATE else [])
        for command in ("run", "status", "verify")
        for place in PLACES
    ],
)
def test_an_output_that_cannot_be_one_is_said_at_once(tmp_path: Path, command: str, place: str) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/manifest").write_text("mine", encoding="utf-8")
    (tmp_path / "corpus.csv").write_text("text\nHello.\n", encoding="utf-8")
    uri = {"manifest is a file": f"{tmp_path}/folder"}.get(place, place if place[0] == "/" else f"{tmp_path}/{place}")
    job = tmp_path / "job.yaml"
    job.write_text(
        f"{{input: {{uri: {tmp_path}/corpus.csv}}, model: {{name: tone}}, output: {{uri: {uri}}}}}", encoding="utf-8"
    )
    done = CliRunner().invoke(app, [command, str(job) if command == "run" else uri])
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    *progress, said = done.stderr.splitlines()  # what lies below the folder is found by the first that writes there
    assert said.startswith("error: ")
    assert uri in said
    assert all(line.startswith("speechmill: 0 / 1 rows") for line in progress)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "folder/manifest").read_text(encoding="utf-8") == "mine"
