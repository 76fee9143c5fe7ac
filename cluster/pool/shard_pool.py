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
    """Speaks shards. The members are described at `Pool`."""

    @property
    def is_idle(self) -> bool: ...

    @property
    def num_deaths(self) -> int: ...

    @property
    def wants_more(self) -> bool: ...

    @property
    def notice(self) -> str: ...

    @property
    def profiles(self) -> Mapping[str, Profile]: ...

    @property
    def cards(self) -> Mapping[str, CardUse]: ...

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None: ...

    def collect(self, timeout_s: float) -> list[CompletedShard]: ...

    def finish(self, timeout_s: float) -> None: ...

    def orphaned_parts(self) -> list[str]: ...

    def spans(self) -> list[AttemptSpan]: ...

    def states(self) -> list[ReplicaState]: ...
