"""Shards of which something is still out, and what has come back of each. Pure.

Guaranteed: a shard is finished once, when as many of its tasks have ended as it was cut into.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...actors.records.utterance import Shard
from ...actors.replica.receipt import Receipt
from .retry import PoisonRow


@dataclass(frozen=True, slots=True)
class CompletedShard:
    """A shard all of whose utterances are accounted for, by receipts and by poisoned rows."""

    shard: Shard
    receipts: tuple[Receipt, ...]
    poisoned: tuple[PoisonRow, ...]


@dataclass(slots=True)
class _Open:
    num_tasks: int = 1
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    poisoned: list[PoisonRow] = field(default_factory=list[PoisonRow])


class ShardTracker:
    """Open shards, and the outcomes of their tasks so far."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._finished: list[CompletedShard] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, shard: Shard) -> None:
        """A shard, as one task."""
        assert shard.id not in self._open, f"shard {shard.id} came twice"
        self._open[shard.id] = _Open()

    def cut(self, shard: Shard, num_more: int) -> None:
        """One of its tasks has become `num_more` tasks more."""
        self._open[shard.id].num_tasks += num_more

    def close(self, shard: Shard, outcome: Receipt | PoisonRow) -> None:
        """One of its tasks has ended."""
        entry = self._open[shard.id]
        if isinstance(outcome, PoisonRow):
            entry.poisoned.append(outcome)
        else:
            entry.receipts.append(outcome)
        entry.num_tasks -= 1
        if entry.num_tasks == 0:
            del self._open[shard.id]
            self._finished.append(CompletedShard(shard, tuple(entry.receipts), tuple(entry.poisoned)))

    def finished(self) -> list[CompletedShard]:
        """Completed shards, each given once."""
        finished, self._finished = self._finished, []
        return finished
