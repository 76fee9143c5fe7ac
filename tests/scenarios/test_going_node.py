"""A node of a cluster is told to go, as Kubernetes tells a pod: what is spoken there is not spoken again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from support.measured import measured
from support.waiting import HANG_S

from speechmill.cluster.storage import open_storage
from speechmill.jobs.verify import verify

NUM_ROWS = 30
SHARD_ROWS = 12


def about_to_go(event: dict[str, Any]) -> dict[str, Any] | None:
    """A replica that has just begun its first task: the first tasks are long."""
    return next((state for state in event["replicas"] if 1 <= state["rows"] == state["rows_in_flight"] <= 3), None)


def test_a_node_that_is_told_to_go_hands_back_what_it_cannot_end_and_no_row_is_spoken_twice(
    tmp_path: Path, ray_nodes: Any
) -> None:
    """SIGTERM to `ray start`; the node drains for 6 s, its task of eight rows takes 8."""
    (tmp_path / "corpus.csv").write_text("text\n" + "".join(f"Row {row}.\n" for row in range(NUM_ROWS)))
    with ExitStack() as stack:
        head = stack.enter_context(ray_nodes.head(num_cpus=0))
        drains = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "6"}
        workers = [stack.enter_context(ray_nodes.worker(head, **drains)) for _ in range(2)]
        job = {
            "input": {"uri": str(tmp_path / "corpus.csv")},
            "model": {"name": "tone", "batch_size": 1, "options": measured(audio_char_s=0.001, batch_s=1.0)},
            "output": {"uri": str(tmp_path / "out"), "container": "webdataset", "audio": "wav"},
            "cluster": {"address": head.address, "replicas": 2},
            "sharding": {"shard_rows": SHARD_ROWS},
        }
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
        command = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()", "run"]
        told: list[Any] = []
        with subprocess.Popen(
            [*command, str(tmp_path / "job.yaml"), "--json", "--trace", str(tmp_path / "trace.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as driver:
            stack.callback(driver.kill)
            for line in driver.stdout or ():
                event = json.loads(line)
                if event["event"] == "progress" and not told and (going := about_to_go(event)) is not None:
                    told += [worker.process for worker in workers if going["pid"] in worker.family()]
                    told[0].send_signal(signal.SIGTERM)
        assert driver.returncode == 0
        assert event["num_ok"] == NUM_ROWS
        told[0].wait(HANG_S)
    report = verify(open_storage(str(tmp_path / "out")))
    assert report.is_ok, report
    assert report.num_orphans == 0, "nothing was stored in vain"
    spans = json.loads((tmp_path / "trace.json").read_text().rstrip().rstrip(",") + "]")
    outcomes = [span["args"]["outcome"] for span in spans if span["ph"] == "X"]
    assert outcomes.count("handed back") == 1
    # What waited there was taken back before it was spoken.
    assert set(outcomes) <= {"spoken", "handed back", "dropped"}, "nothing was spoken in vain"
