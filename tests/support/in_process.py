"""Runs whose one replica lives in this process: the real replica, driver, claims and commits, without Ray.

For tests that make many runs, and ask nothing of a cluster. `speaking_here` says what was spoken, and ends a run at a
chosen moment, as a killed driver ends it: nothing is written after it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from speechmill.actors.batcher.profile import Profile
from speechmill.actors.batcher.sharing import CardUse
from speechmill.actors.records.utterance import Shard
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
from speechmill.actors.replica.replica import Replica
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.pool.attempt_span import AttemptSpan
from speechmill.cluster.pool.replica_state import ReplicaState
from speechmill.cluster.pool.shard_pool import ShardPool
from speechmill.cluster.scheduling.shard_tracker import CompletedShard
from speechmill.jobs.run import driver


class Killed(BaseException):
    """The end of a run that nothing in it may catch."""


@dataclass
class SpeakingHere:
    """What runs have spoken.

    Attributes:
        ids: Ids of the rows, in order
        shards_left: Shards until the run is killed; None: it is not
        num_pools: Runs that asked for replicas
    """

    ids: list[str] = field(default_factory=list)
    shards_left: int | None = None
    num_pools: int = 0

    def taken(self) -> set[str]:
        """The ids since the last call."""
        ids, self.ids = set(self.ids), []
        return ids


class PoolHere:
    """One replica in this process, as a run sees a pool."""

    num_deaths = 0
    notice = ""

    def __init__(self, told: SpeakingHere, source: ReplicaConfig, config: JobConfig, parts: Parts, stamp: str) -> None:
        told.num_pools += 1
        self._told, self._stamp = told, stamp
        self._replica = Replica(source)
        self._replica.load()
        self._replica.join("here", config, parts)
        self._shards: list[Shard] = []
        self._is_all = False
        self.profiles: dict[str, Profile] = {}
        self.cards: dict[str, CardUse] = {}

    def __enter__(self) -> PoolHere:
        return self

    def __exit__(self, *_: object) -> None:
        self._replica.leave("here")

    @property
    def is_idle(self) -> bool:
        return not self._shards

    @property
    def wants_more(self) -> bool:
        return not self._is_all and len(self._shards) < 4

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Take shards."""
        self._shards += shards
        self._is_all = self._is_all or is_all

    def collect(self, timeout_s: float) -> list[CompletedShard]:
        """Speak one shard."""
        if not self._shards:
            return []
        if self._told.shards_left is not None:
            if self._told.shards_left == 0:
                raise Killed
            self._told.shards_left -= 1
        shard = self._shards.pop(0)
        part = f"{shard.id}-{self._stamp}-{secrets.token_hex(4)}"
        receipt = self._replica.speak("here", part, shard.utterances)
        assert receipt is not None
        self._told.ids += [utterance.id for utterance in shard.utterances]
        return [CompletedShard(shard, (receipt,), ())]

    def orphaned_parts(self) -> list[str]:
        """None."""
        return []

    def spans(self) -> list[AttemptSpan]:
        """None."""
        return []

    def states(self) -> list[ReplicaState]:
        """Nothing to show."""
        return []

    def finish(self, timeout_s: float) -> None:
        """Wait for nothing."""


@pytest.fixture
def speaking_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpeakingHere]:
    """Runs of this test start no Ray; their replica lives here."""
    told = SpeakingHere()

    def pool(source: ReplicaConfig, config: JobConfig, parts: Parts, *, stamp: str) -> ShardPool:
        return PoolHere(told, source, config, parts, stamp)

    monkeypatch.setattr(driver, "num_processes", lambda job, device: 1)
    monkeypatch.setattr(driver, "ProcessSource", lambda num_replicas, config: config)
    monkeypatch.setattr(driver, "Pool", pool)
    yield told
