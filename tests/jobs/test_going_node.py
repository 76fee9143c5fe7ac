"""A node of a cluster is told to go, as Kubernetes tells a pod: what is spoken there is not spoken again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from speechmill.cluster.storage import open_storage
from speechmill.jobs.verify import verify

ENVIRONMENT = {**os.environ, "RAY_AUTH_MODE": "disabled"}
NUM_ROWS = 48
SHARD_ROWS = 12


@contextmanager
def node(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`ray start --block` on loopback, as a pod of a cluster runs it; and what it said when it was up."""
    log = folder / f"{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address=127.0.0.1"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--object-store-memory=80000000", *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | environment,
        )
    try:
        while "block forever" not in (said := log.read_text(errors="replace")):
            assert process.poll() is None, said
            time.sleep(0.1)
        yield process, said
    finally:
        if process.poll() is None:
            for pid in [*family(process), process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def family(process: subprocess.Popen[bytes]) -> set[int]:
    """Its children, and theirs."""
    return {child.pid for child in psutil.Process(process.pid).children(recursive=True)}


def about_to_go(event: dict[str, Any]) -> dict[str, Any] | None:
    """A replica that has just begun its first task: the first tasks are long."""
    return next((state for state in event["replicas"] if 1 <= state["rows"] == state["rows_in_flight"] <= 2), None)


def test_a_node_that_is_told_to_go_hands_back_what_it_cannot_end_and_no_row_is_spoken_twice(tmp_path: Path) -> None:
    """SIGTERM to `ray start`; the node drains for 6 s, its task of eight rows takes 8."""
    (tmp_path / "corpus.csv").write_text("text\n" + "".join(f"Row {row}.\n" for row in range(NUM_ROWS)))
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Unix sockets below it have 107 bytes at most
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        head = ["--head", "--port=0", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={folder / 'ray'}"]
        _, said = stack.enter_context(node(folder, *head))
        found = re.search(r"--address='([\d.]+:\d+)'", re.sub(r"\x1b\[[0-9;]*m", "", said))
        assert found is not None
        worker = [f"--address={found[1]}", "--num-cpus=1"]
        drains = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "6"}
        workers = [stack.enter_context(node(folder, *worker, **drains))[0] for _ in range(2)]
        job = {
            "input": {"uri": str(tmp_path / "corpus.csv")},
            "model": {"name": "tone", "batch_size": 1, "options": {"audio_char_s": 0.001, "batch_s": 1.0}},
            "output": {"uri": str(tmp_path / "out"), "container": "webdataset", "audio": "wav"},
            "cluster": {"address": found[1], "replicas": 2},
            "sharding": {"shard_rows": SHARD_ROWS},
        }
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
        command = [sys.executable, "-c", "from speechmill.jobs.cli import main; main()", "run"]
        told: list[subprocess.Popen[bytes]] = []
        with subprocess.Popen(
            [*command, str(tmp_path / "job.yaml"), "--json", "--trace", str(tmp_path / "trace.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
        ) as driver:
            stack.callback(driver.kill)
            for line in driver.stdout or ():
                event = json.loads(line)
                if event["event"] == "progress" and not told and (going := about_to_go(event)) is not None:
                    told += [worker for worker in workers if going["pid"] in family(worker)]
                    told[0].send_signal(signal.SIGTERM)
        assert driver.returncode == 0
        assert event["num_ok"] == NUM_ROWS
        told[0].wait(60)
    report = verify(open_storage(str(tmp_path / "out")))
    assert report.is_ok, report
    assert report.num_orphans == 0, "nothing was stored in vain"
    spans = json.loads((tmp_path / "trace.json").read_text().rstrip().rstrip(",") + "]")
    outcomes = [span["args"]["outcome"] for span in spans if span["ph"] == "X"]
    assert outcomes.count("handed back") == 1
    # What waited there was taken back before it was spoken.
    assert set(outcomes) <= {"spoken", "handed back", "dropped"}, "nothing was spoken in vain"
