"""The pool: every shard comes back once, and only what kills is blamed.

Replicas are actors of a real Ray where it matters how Ray tells of a death, or does not; else processes without Ray.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
from ray import cloudpickle
from support import slow_store
from support.measured import measured
from support.slow_store import SlowStore
from support.waiting import eventually

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
from speechmill.cluster.containers.base import clip_key
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.pool.pool import CompletedShard, Pool
from speechmill.cluster.pool.processes.source import ProcessSource
from speechmill.cluster.pool.replica_source import ReplicaSource, Spawned
from speechmill.cluster.scheduling.liveness import Timeouts
from speechmill.cluster.session import ReplicaPlan
from speechmill.cluster.storage import open_storage
from speechmill.errors import ModelError, StorageMissing

# Actors cannot import it: what they need of it travels with the call.
cloudpickle.register_pickle_by_value(slow_store)

pytestmark = pytest.mark.integration  # it starts processes
on_ray = pytest.mark.usefixtures("joined_ray")
Done = list[CompletedShard]
Source = Callable[[ReplicaConfig, int], ReplicaSource]
QUICK = Timeouts(frozen_s=2.0, ask_s=0.2)


def shards(*texts: Sequence[str]) -> list[Shard]:
    rows = itertools.count()
    made = [tuple(Utterance(next(rows), text, text, seed=0) for text in group) for group in texts]
    return [Shard(0, index, group, "d", 1.0) for index, group in enumerate(made)]


def tone(**options: object) -> ReplicaConfig:
    return ReplicaConfig(ModelConfig("tone", options=measured(audio_char_s=0.001, **options)))


def asked(config: ReplicaConfig) -> JobConfig:
    return JobConfig(config.model, "wav")


def actors(config: ReplicaConfig, num_replicas: int) -> ReplicaSource:
    return Spawned(ReplicaPlan(num_replicas, "cpu", 0.0, 1.0), config)


def processes(config: ReplicaConfig, num_replicas: int) -> ReplicaSource:
    return ProcessSource(num_replicas, config)


def finish(
    pool: Pool,
    work: Sequence[Shard],
    meanwhile: Callable[[int], None] = lambda num_done: None,
    *,
    is_all: bool = True,
) -> Done:
    """Every shard, `meanwhile` being called with how many are done."""
    pool.feed(work, is_all=is_all)
    return answers(pool, work, meanwhile)


def answers(pool: Pool, work: Sequence[Shard], meanwhile: Callable[[int], None] = lambda num_done: None) -> Done:
    """Every shard of those that were fed."""
    done: Done = []
    while len(done) < len(work):
        pool.feed([])
        done += pool.collect(0.2)
        meanwhile(len(done))
    assert pool.is_idle
    assert sorted(s.shard.id for s in done) == [s.id for s in work]
    return done


def speak_all(
    work: Sequence[Shard], store: SlowStore, num_replicas: int = 1, source: Source = processes, **options: object
) -> Done:
    config = tone(**options)
    with Pool(source(config, num_replicas), asked(config), store) as pool:
        return finish(pool, work)


def all_rows(done: Done) -> list[int]:
    """Rows of all receipts."""
    return sorted(r.row for s in done for receipt in s.receipts for r in decode_records(receipt.manifest, s.shard.id))


@on_ray
def test_every_shard_comes_back_once_with_all_its_rows_though_a_row_kills_its_actor() -> None:
    """The others of the pool's tests have processes, which start in a third of the time."""
    work = shards(*[[f"Shard {n}, row {r}." for r in range(5)] for n in range(12)], ["CRASH"])
    done = speak_all(work, SlowStore(), num_replicas=2, source=actors, crash="CRASH")
    assert [p.utterance.text for s in done for p in s.poisoned] == ["CRASH"]
    assert all(sum(r.num_ok for r in s.receipts) == 5 for s in done if s.shard.index < 12)


def test_a_shard_that_is_being_stored_is_not_blamed_for_the_next(tmp_path: Path) -> None:
    """The older task of a dead replica was once blamed, though it had only its upload left to do."""
    hold = tmp_path / "hold"
    hold.touch()
    work = shards(["An innocent row."], ["CRASH"])
    store = SlowStore(str(hold), behind=work[1].id)
    done = {s.shard.index: s for s in speak_all(work, store, crash="CRASH")}
    assert not hold.exists(), "the replica died while it was storing"
    assert [p.utterance.text for p in done[1].poisoned] == ["CRASH"]
    assert not done[0].poisoned
    assert done[0].receipts[0].num_ok == 1


def test_a_model_that_does_not_load_ends_the_run_at_once() -> None:
    with pytest.raises(ModelError, match="did you mean"):
        speak_all(shards(["One."]), SlowStore(), audio_chars=1)


def test_a_folder_that_the_nodes_do_not_share_is_said() -> None:
    with pytest.raises(StorageMissing, match="not what the driver sees"):
        speak_all(shards(["One."]), SlowStore(is_shared=False))


def test_no_shards_and_fewer_rows_than_replicas() -> None:
    assert speak_all([], SlowStore(), num_replicas=2) == []
    assert all_rows(speak_all(shards(["The only row."]), SlowStore(), num_replicas=2)) == [0]


def all_ready(pool: Pool, num_replicas: int) -> list[int]:
    """Wait for the replicas to be ready for work: their pids."""

    def pids() -> list[int]:
        pool.collect(0.1)
        found = [state.home.pid for state in pool.states() if state.home]
        return found if len(found) == num_replicas else []

    return eventually(pids, f"{num_replicas} replicas that are ready")


def test_a_frozen_replica_is_given_up_and_its_rows_are_spoken_elsewhere() -> None:
    """A stopped process breaks no connection: its calls wait for ever, and nothing tells of it."""
    config = tone()
    work = shards(*[[f"Shard {n}."] for n in range(6)])
    # One alone: of two, the other would speak copies of its tasks before it is given up.
    with Pool(processes(config, 1), asked(config), SlowStore(), QUICK) as pool:
        (frozen,) = all_ready(pool, 1)
        os.kill(frozen, signal.SIGSTOP)
        done = finish(pool, work)
        assert pool.num_deaths >= 1, "a machine may be so busy that the next one is silent for as long"
        eventually(lambda: not psutil.pid_exists(frozen), "the end of the frozen one")
        assert all_rows(done) == list(range(6))


def test_replicas_that_all_die_at_the_end_are_replaced() -> None:
    config = tone()
    work = shards(*[[f"Shard {n}."] for n in range(6)])
    with Pool(processes(config, 2), asked(config), SlowStore()) as pool:
        done = finish(pool, work[:4], is_all=False)
        pids = all_ready(pool, 2)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # so that the last tasks are not done before they die
        pool.feed(work[4:], is_all=True)
        assert [bool(state.shard_id) for state in pool.states()] == [True, True]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        done += answers(pool, work[4:])
        assert all_rows(done) == list(range(6))
        assert pool.num_deaths == 2


class LateCrew(ProcessSource):
    """Has one replica at first, and the second only when it is let in."""

    def __init__(self, config: ReplicaConfig) -> None:
        super().__init__(1, config)

    def let_in(self) -> None:
        self._num_due += 1


def test_a_replica_that_joins_late_is_fed_at_once_with_what_waits_at_the_other() -> None:
    config = tone()
    work = shards(*[[f"Shard {n}."] for n in range(3)])
    source = LateCrew(config)
    with Pool(source, asked(config), SlowStore()) as pool:
        done = finish(pool, work[:1], is_all=False)
        (first,) = all_ready(pool, 1)
        os.kill(first, signal.SIGSTOP)  # it has one task to speak and one that waits, however long the other takes
        pool.feed(work[1:], is_all=True)
        source.let_in()
        all_ready(pool, 2)
        pool.feed([])
        assert {state.number for state in pool.states() if state.shard_id} == {0, 1}
        os.kill(first, signal.SIGCONT)
        done += answers(pool, work[1:])
        assert all_rows(done) == list(range(3))


@pytest.mark.parametrize("container", ["files", "webdataset"])
def test_the_task_of_a_slow_replica_is_copied_and_what_comes_second_is_swept(tmp_path: Path, container: str) -> None:
    config = tone(batch_s=0.2, slow=40.0, slow_file=str(tmp_path / "slow"))
    storage = open_storage(str(tmp_path / "out"))
    storage.put("job.json", b"{}")
    parts = Parts(storage, container, "wav")
    work = shards(*[[f"Shard {n}.", f"Row {n} of it."] for n in range(8)])
    orphaned_parts: list[str] = []

    def collect_litter(num_done: int) -> None:
        orphaned_parts.extend(pool.orphaned_parts())

    with Pool(processes(config, 2), asked(config), parts) as pool:  # type: ignore[arg-type]
        done = finish(pool, work[:2], is_all=False)  # until then, the model is measured
        (tmp_path / "slow").touch()
        done += finish(pool, work[2:], collect_litter)
        assert pool.num_copies >= 1
    orphaned_parts += pool.orphaned_parts()
    assert all_rows(done) == list(range(16))
    receipts = [(s, receipt) for s in done for receipt in s.receipts]
    named = {r.audio for s, receipt in receipts for r in decode_records(receipt.manifest, s.shard.id)}
    assert orphaned_parts
    # What a replica had stored when it was killed or told.
    part = orphaned_parts[0]
    half = clip_key(part, 0, "half", "wav") if container == "files" else f"audio/{part}/000000000-half.wav"
    storage.put(half, b"half")
    for part in orphaned_parts:
        parts.sweep(part)
    assert {entry.key for entry in storage.list("audio/")} == named
