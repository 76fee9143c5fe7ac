"""Replicas as processes without Ray: the pool replaces those that die, and a small run needs nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.measured import measured
from support.waiting import HANG_S, eventually

from speechmill import Job, read
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.pool.pool import Pool
from speechmill.cluster.pool.processes.replica_process import ReplicaProcess
from speechmill.cluster.pool.processes.source import ProcessSource
from speechmill.cluster.scheduling.liveness import Timeouts
from speechmill.cluster.storage import open_storage
from speechmill.errors import ModelError

pytestmark = pytest.mark.integration  # it starts processes


def utterances(count: int) -> list[Utterance]:
    return [Utterance(row, f"r{row}", f"Row {row} is here.", row) for row in range(count)]


def test_a_replica_that_is_killed_is_replaced_and_its_rows_are_spoken_once(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    storage.put("job.json", b"{}")
    (tmp_path / "slow").touch()  # the first process takes 25 times as long: it is killed in mid-shard
    options = measured(audio_char_s=0.001, batch_s=0.02, slow=25.0, slow_file=str(tmp_path / "slow"))
    model = ModelConfig("tone", options=options)
    source, limits = ProcessSource(1, ReplicaConfig(model, batch_rows=1)), Timeouts(ask_s=0.1)
    with Pool(source, JobConfig(model, "wav"), Parts(storage, "files", "wav"), limits, stamp="r0001-1") as pool:
        pool.feed([Shard(0, 0, tuple(utterances(40)), "d", 1.0)], is_all=True)
        spoken, is_killed = [], False
        until_s = time.monotonic() + HANG_S
        while not pool.is_idle and time.monotonic() < until_s:
            spoken += pool.collect(0.1)
            states = pool.states()
            if not is_killed and states and states[0].home is not None and states[0].progress.rows:
                psutil.Process(states[0].home.pid).send_signal(signal.SIGKILL)
                is_killed = True
            pool.feed([])
        assert is_killed and pool.num_deaths == 1
        (shard,) = spoken
        rows = [record.row for receipt in shard.receipts for record in decode_records(receipt.manifest, shard.shard.id)]
        assert sorted(rows) == list(range(40))
        (state,) = pool.states()
        assert state.home is not None
        last = state.home.pid
    eventually(lambda: not psutil.pid_exists(last), "the end of the replica")


def test_what_a_process_raises_and_how_it_ends_is_told() -> None:
    replica = ReplicaProcess(ReplicaConfig(ModelConfig("hibari", voice="nobody")))
    with pytest.raises(ModelError, match="nobody"):
        replica.load.remote().result(HANG_S)
    with pytest.raises(Exception, match="AttributeError"):
        replica.no_such_method.remote().result(HANG_S)
    waiting = replica.num_streams  # any call after the death is answered by it
    replica.kill()
    with pytest.raises(Exception, match="its process ended by SIGKILL"):
        waiting.remote().result(HANG_S)


_SMALL = """
import sys, speechmill
model = {"name": "tone", "options": {"audio_char_s": 0.001}}
result = speechmill.Job(input={"uri": sys.argv[1]}, model=model, output={"uri": sys.argv[2]}).run()
print(result.num_ok, result.num_replicas, "ray" in sys.modules, "torch" in sys.modules)
"""


def test_a_small_corpus_is_spoken_without_ray(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("id,text\n" + "".join(f"r{row},Row {row}.\n" for row in range(9)), encoding="utf-8")
    out = tmp_path / "out"
    measured(audio_char_s=0.001)
    done = subprocess.run(
        [sys.executable, "-c", _SMALL, str(corpus), str(out)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["9", "1", "False", "False"]
    assert {clip.id for clip in read(str(out))} == {f"r{row}" for row in range(9)}


def test_what_needs_ray_has_no_processes(tmp_path: Path) -> None:
    from speechmill.jobs.run.prepare import prepare
    from speechmill.jobs.run.small_run import num_processes

    corpus = tmp_path / "corpus.csv"
    corpus.write_text("text\n" + "Row.\n" * 9, encoding="utf-8")

    def processes(device: str | None = "cpu", **cluster: object) -> int | None:
        job = Job(
            input={"uri": str(corpus)}, model={"name": "tone"}, output={"uri": str(tmp_path / "out")}, cluster=cluster
        )
        return num_processes(prepare(job.spec, open_storage(job.spec.output.uri), None, "cpu"), device)

    assert processes(replicas=1) == 1
    assert processes() == 1
    assert processes(ray_from_rows=10) == 1
    assert processes(ray_from_rows=9) is None
    assert processes(ray_from_rows=0) is None
    assert processes(device="cuda") is None
    assert processes(address="10.0.0.1:6379") is None
