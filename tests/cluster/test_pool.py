"""The pool on a real Ray: every shard comes back once, and only what kills is blamed."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
import ray
from ray import cloudpickle

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.receipt import ReplicaConfig
from speechmill.actors.segment import Shard, Utterance
from speechmill.cluster.crew import Spawned
from speechmill.cluster.pool import Pool, SpokenShard
from speechmill.cluster.session import ReplicaPlan
from speechmill.errors import ModelError, StorageMissing

# Replicas cannot import this file: what they need of it travels with the call.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class SlowPart:
    """Takes seconds to store what it was given."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> tuple[str, None]:
        return f"audio/{row}", None

    def close(self) -> None:
        time.sleep(self.seconds)

    def abort(self) -> None:
        """Nothing is kept."""


class SlowStore:
    """A store far away; `seen_on` False is one that the replica's node does not share."""

    def __init__(self, seconds: float = 0.0, *, is_shared: bool = True) -> None:
        self.seconds = seconds
        self.is_shared = is_shared

    def check(self) -> None:
        if not self.is_shared:
            raise StorageMissing("output.uri is not what the driver sees")

    def open_part(self, name: str) -> SlowPart:
        return SlowPart(self.seconds)


def shards(*texts: Sequence[str]) -> list[Shard]:
    rows = itertools.count()
    made = [tuple(Utterance(next(rows), text, text, seed=0) for text in group) for group in texts]
    return [Shard(0, index, group, "d", 1.0) for index, group in enumerate(made)]


def speak_all(work: Sequence[Shard], store: SlowStore, num_replicas: int = 1, **options: object) -> list[SpokenShard]:
    config = ReplicaConfig(ModelConfig("tone", options={"audio_char_s": 0.001} | options), "wav", 0.0)
    waiting = iter(work)
    done: list[SpokenShard] = []
    with Pool(Spawned(ReplicaPlan(num_replicas, "cpu", 0.0, 1.0), config), config, store) as pool:
        while len(done) < len(work):
            pool.feed(waiting)
            done += pool.collect(0.2)
        assert pool.is_idle
    return done


def test_every_shard_comes_back_once_with_all_its_rows() -> None:
    work = shards(*[[f"Shard {n}, row {r}." for r in range(5)] for n in range(12)])
    done = speak_all(work, SlowStore(), num_replicas=2)
    assert sorted(s.shard.id for s in done) == [s.id for s in work]
    assert all(sum(r.num_ok for r in s.receipts) == 5 and not s.poisoned for s in done)


def test_a_shard_that_is_being_stored_is_not_blamed_for_the_next() -> None:
    """The older task of a dead replica was once blamed, though it had only its upload left to do."""
    work = shards(["An innocent row."], ["CRASH"])
    done = {s.shard.index: s for s in speak_all(work, SlowStore(seconds=2.0), crash="CRASH")}
    assert [p.utterance.text for p in done[1].poisoned] == ["CRASH"]
    assert not done[0].poisoned
    assert done[0].receipts[0].num_ok == 1


def test_a_model_that_does_not_load_ends_the_run_at_once() -> None:
    with pytest.raises(ModelError, match="did you mean"):
        speak_all(shards(["One."]), SlowStore(), audio_chars=1)


def test_a_folder_that_the_nodes_do_not_share_is_said() -> None:
    with pytest.raises(StorageMissing, match="not what the driver sees"):
        speak_all(shards(["One."]), SlowStore(is_shared=False))
