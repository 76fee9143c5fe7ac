"""How a command ends whose standard output nobody reads any more, as real processes with real pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer
from support.measured import measured
from support.waiting import eventually

from speechmill.cluster.lease.file import LeaseFile
from speechmill.cluster.storage import open_storage
from speechmill.errors import RayNotStarted
from speechmill.jobs.cli.exits import continued_by_the_same_command

pytestmark = pytest.mark.integration
SPEECHMILL = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]
OUTPUT_CLOSED = 141
"""What a shell reports of a process that SIGPIPE has ended."""


def job_file(folder: Path) -> Path:
    (folder / "corpus.csv").write_text("id,text\n" + "".join(f"id-{row},Row {row}\n" for row in range(400)))
    job = {
        "input": {"uri": f"{folder}/corpus.csv"},
        "model": {"name": "tone", "device": "cpu", "options": measured(cell_s=0.01)},
        "output": {"uri": f"{folder}/out"},
        "cluster": {"replicas": 1},
        "sharding": {"shard_rows": 4},
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(job))
    return path


@pytest.mark.parametrize("arguments", [["--json"], [], ["--help"]], ids=" ".join)
def test_a_command_that_is_not_read_ends_quietly(tmp_path: Path, arguments: list[str]) -> None:
    """Its output is so short that it would be written by the interpreter, at its end, which complained of that."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [*SPEECHMILL, "plan", str(job_file(tmp_path)), *arguments]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (OUTPUT_CLOSED, b"")


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*SPEECHMILL, "plan", str(job_file(tmp_path)), "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b"error: standard output cannot be written: No space left on device\n"
    assert done.returncode == 3


def test_a_run_whose_reader_leaves_ends_as_after_an_interrupt(tmp_path: Path) -> None:
    """Its replicas are ended, its lease is given back, and it is continued at once."""
    command = [*SPEECHMILL, "run", str(job_file(tmp_path)), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        for line in run.stdout:
            if json.loads(line)["rows_committed"]:
                break
        replicas = psutil.Process(run.pid).children()
        assert len(replicas) == 1
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait() == OUTPUT_CLOSED
    eventually(lambda: not any(replica.is_running() for replica in replicas), "the replicas' end")
    storage = open_storage(f"{tmp_path}/out")
    found = LeaseFile(storage).read()
    assert found is not None
    assert found.holder is not None
    assert found.holder.is_released
    assert not storage.exists("complete.json")


@pytest.mark.parametrize(
    ("count", "error", "status", "said"),
    [
        (None, RayNotStarted("no"), 3, "stopped: no\nPlease run the same command to continue.\n"),
        (0, KeyboardInterrupt(), 130, "Stopped.\nPlease run the same command to continue.\n"),
        (1, KeyboardInterrupt(), 130, "Stopped.\n1 row is committed, and kept; run the same command to continue.\n"),
        (1_200, RayNotStarted("no"), 3, "1,200 rows are committed, and kept; run the same command to continue.\n"),
    ],
)
def test_only_what_is_committed_is_said_to_be_kept(
    count: int | None, error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Story: a service that had no port, and a run whose Ray did not start, said that committed rows stay."""

    class Seen:
        rows_committed = count

    with pytest.raises(typer.Exit) as ended, continued_by_the_same_command(Seen()):
        raise error
    assert ended.value.exit_code == status
    assert capsys.readouterr().err.endswith(said)
