"""What a run asks of its replicas, wherever these are.

Guaranteed: nothing; `Pool` keeps the promises. Benchmarks and tests have pools of their own, of the same type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ...actors.batcher.profile import Profile
from ...actors.batcher.sharing import CardUse
from ...actors.records.utterance import Shard
from ..scheduling.shard_tracker import CompletedShard
from .attempt_span import AttemptSpan
from .replica_state import ReplicaState


class ShardPool(Protocol):
    """Speaks shards; `Pool` is the one of real replicas."""

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits."""
        ...

    @property
    def num_deaths(self) -> int:
        """Number of replicas that died or were given up."""
        ...

    @property
    def wants_more(self) -> bool:
        """Whether it should get shards."""
        ...

    @property
    def notice(self) -> str:
        """A message to the user when nothing moves; else empty."""
        ...

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Measured costs of batches, by hardware."""
        ...

    @property
    def cards(self) -> Mapping[str, CardUse]:
        """What a replica takes of a GPU, by hardware."""
        ...

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Take shards; `is_all`: no more will come."""
        ...

    def collect(self, timeout_s: float) -> list[CompletedShard]:
        """The shards that are complete; waits for one, at most `timeout_s`."""
        ...

    def finish(self, timeout_s: float) -> None:
        """Wait for attempts that do not count, at most `timeout_s`."""
        ...

    def orphaned_parts(self) -> list[str]:
        """Names of parts that no manifest will name. Each is returned once."""
        ...

    def spans(self) -> list[AttemptSpan]:
        """Attempts that have ended. Each is returned once."""
        ...

    def states(self) -> list[ReplicaState]:
        """Every replica as it was last seen."""
        ...
