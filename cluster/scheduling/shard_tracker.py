"""Shards with unfinished tasks, and the outcomes of their finished ones. Pure.

Guaranteed: a shard is finished once, when all tasks that it was cut into have ended.
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
        """Add a shard, as one task."""
        assert shard.id not in self._open, f"shard {shard.id} came twice"
        self._open[shard.id] = _Open()

    def cut(self, shard: Shard, num_more: int) -> None:
        """Count `num_more` more tasks: one of the shard's tasks was cut."""
        self._open[shard.id].num_tasks += num_more

    def close(self, shard: Shard, outcome: Receipt | PoisonRow) -> None:
        """Record the outcome of one of the shard's tasks."""
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
        """Completed shards. Each is returned once."""
        finished, self._finished = self._finished, []
        return finished
