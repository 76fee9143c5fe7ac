"""A driver that lost its lease and does not know: whatever it still does, the output of the one that took over stays.

It is stopped (a laptop's lid, SIGSTOP), or what it has sent arrives when the other one has long finished. The lease is
shortened to seconds; nothing that is promised hangs on it. The stopped driver is a process. Its replicas go on: they
are processes, and in `make soak` actors of a Ray. Its predecessor and successor run in the process of the test.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.measured import measured
from support.waiting import eventually

import speechmill
from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.jobs.output.output_file import OutputFile
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.integration
LEASE_S = 4.0
COMMAND = (
    "from speechmill.cluster.lease.lease import Lease; "
    f"Lease.take.__func__.__kwdefaults__['lease_s'] = {LEASE_S}; "
    "from speechmill.jobs.cli.main import main; main()"
)
NUM_ROWS = 72


class Driver:
    """`speechmill run --json` as a process whose lease is short."""

    def __init__(self, job: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "run", str(job), "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def events(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        yield from map(json.loads, self.process.stdout)

    def until_rows(self, least: int) -> None:
        """Wait until so many rows are committed."""
        for event in self.events():
            if event["rows_committed"] >= least:
                return
        pytest.fail(f"it ended first: {self.end()}")

    def end(self) -> tuple[int, str]:
        """Exit status, and what it said."""
        for _ in self.events():
            pass
        _, said = self.process.communicate()
        return self.process.returncode, said

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start() -> Iterator[Any]:
    started: list[Driver] = []

    def start_one(job: Path, *arguments: str) -> Driver:
        started.append(Driver(job, *arguments))
        return started[-1]

    yield start_one
    for driver in started:
        driver.kill()


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """Of Ray, where the test is of `make soak`."""
    return request.getfixturevalue("ray_head").address if request.node.get_closest_marker("soak") else "local"


@pytest.fixture
def run_here(hosted_replicas: None) -> Callable[..., None]:
    """Run a job in this process to its end, which is a good one."""

    def run(job: Path, *, overwrite: bool = False) -> None:
        assert speechmill.Job.load(job).run(overwrite=overwrite).exit_code == 0

    return run


def write_job(
    folder: Path,
    address: str,
    uri: str,
    container: str,
    endpoint: str | None = None,
    *,
    seed: int = 0,
    num_rows: int = NUM_ROWS,
) -> Path:
    corpus = folder / "corpus.jsonl"
    rows = [{"id": f"id-{row}", "text": f"Row {row} " + "la " * (row * 7 % 40)} for row in range(num_rows)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = {
        "input": {"uri": str(corpus)},
        "model": {"name": "tone", "options": measured(audio_char_s=0.002, cell_s=0.0005)},
        "output": {"uri": uri, "container": container, "s3": {"endpoint_url": endpoint, "max_attempts": 100}},
        "cluster": {"replicas": 1, "cpus_per_replica": 0.5, "address": address},
        "sharding": {"shard_rows": 8},
        "seed": seed,
    }
    path = folder / f"job-{seed}-{endpoint is None or endpoint.rpartition(':')[2]}.yaml"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def is_whole(storage: Storage, run: int, num_rows: int = NUM_ROWS) -> None:
    """The output is complete, of that run, and nothing in it is missing, twice, or not as promised."""
    report = verify(storage)
    assert report.problems == ()
    assert (report.is_complete, report.num_ok, report.num_clips) == (True, num_rows, num_rows)
    assert OutputFile.load(storage).root.run == run


def is_swept(storage: Storage) -> None:
    """What a late writer left is told from what counts, and goes."""
    verify(storage, sweep=True)
    assert verify(storage).num_orphans == 0


@pytest.mark.parametrize(
    ("second", "container"),
    [
        ("continues", "webdataset"),
        pytest.param("continues", "files", marks=pytest.mark.soak),
        pytest.param("begins anew", "files", marks=pytest.mark.soak),
        pytest.param("begins anew", "webdataset", marks=pytest.mark.soak),
    ],
)
def test_a_driver_that_was_stopped_changes_nothing_of_its_successors_output(
    start: Any, run_here: Any, tmp_path: Path, address: str, container: str, second: str
) -> None:
    """SIGSTOP in the middle of a run, with manifests on their way; and of the sweep after --overwrite."""
    storage = open_storage(str(tmp_path / "out"))
    job = write_job(tmp_path, address, storage.uri, container)
    first = start(job)
    first.until_rows(16)
    first.process.send_signal(signal.SIGSTOP)
    time.sleep(1.2 * LEASE_S)  # what has to happen is that its lease runs out
    run_here(job, overwrite=second == "begins anew")
    is_whole(storage, run=2)
    before = {entry.key: entry.version for entry in storage.list("audio/")}

    first.process.send_signal(signal.SIGCONT)
    status, said = first.end()
    assert status == 3, said
    assert "commits nothing more" in said or "could not be renewed in time" in said
    is_whole(storage, run=2)
    after = {entry.key: entry.version for entry in storage.list("audio/")}
    assert before.items() <= after.items(), "no clip of the successor is gone or another"
    is_swept(storage)
    is_whole(storage, run=2)


@pytest.mark.parametrize("stage", ["overwrites", pytest.param("commits", marks=pytest.mark.soak)])
def test_requests_that_arrive_late_change_nothing_of_the_successors_output(
    start: Any, run_here: Any, tmp_path: Path, address: str, s3_env: Any, s3_proxy: Any, stage: str
) -> None:
    """The network holds what the first driver sends: deletes of what it overwrites, or manifests."""
    uri = f"s3://{s3_env.new_bucket()}/out"
    storage = open_storage(uri, S3Options(endpoint_url=s3_env.endpoint))
    # What is overwritten needs no time; a row costs ten requests.
    num_rows = 24 if stage == "overwrites" else NUM_ROWS
    write = partial(write_job, tmp_path, address, uri, "files", num_rows=num_rows)
    direct = partial(write, s3_env.endpoint)
    runs = 0
    if stage == "overwrites":
        run_here(direct(seed=1))
        runs += 1
        s3_proxy.hold_from(b"<Key>out/audio/")  # in the body of a delete
    first = start(write(s3_proxy.endpoint), *(["--overwrite"] if runs else []))
    runs += 1
    if stage == "commits":
        first.until_rows(16)
        s3_proxy.hold()
    eventually(lambda: s3_proxy.num_held or first.process.poll() is not None, "a request under way")
    assert first.process.poll() is None, first.end()
    time.sleep(1.2 * LEASE_S)  # what has to happen is that its lease runs out
    run_here(direct(), overwrite=True)
    runs += 1
    is_whole(storage, runs, num_rows)
    before = {entry.key: entry.version for entry in storage.list("audio/")}

    s3_proxy.release()
    status, said = first.end()
    assert status == 3, said
    assert "commits nothing more" in said or "could not be renewed in time" in said
    is_whole(storage, runs, num_rows)
    counted = {key: version for key, version in before.items() if f"-{runs}-" in key}
    after = {entry.key: entry.version for entry in storage.list("audio/")}
    assert counted
    assert counted.items() <= after.items(), "no clip of the successor is gone or another"
    is_swept(storage)
    is_whole(storage, runs, num_rows)
