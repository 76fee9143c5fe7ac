"""A living replica as the pool keeps it: the actor, what it holds, and how it was last seen."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..actors.receipt import ReplicaProgress
from ..actors.replica import Home
from .retry import Task
from .state import ReplicaState, ReplicaStatus


@dataclass(slots=True)
class Member:
    """A living actor and what it holds."""

    number: int
    actor: Any
    loading: Any | None
    home: Home | None = None
    tasks: deque[tuple[Any, Task]] = field(default_factory=deque[tuple[Any, Task]])
    polling: Any | None = None
    progress: ReplicaProgress = field(default_factory=ReplicaProgress)
    rows_receipted: int = 0
    audio_s_receipted: float = 0.0

    @property
    def is_ready(self) -> bool:
        return self.loading is None

    @property
    def is_quarantined(self) -> bool:
        return any(task.is_suspect for _, task in self.tasks)

    @property
    def refs(self) -> list[Any]:
        """Everything that this replica owes an answer to."""
        refs = [ref for ref, _ in self.tasks]
        return refs + [ref for ref in (self.loading, self.polling) if ref is not None]

    @property
    def state(self) -> ReplicaState:
        """The replica as it was last seen."""
        if not self.is_ready:
            status = ReplicaStatus.STARTING
        else:
            status = ReplicaStatus.SPEAKING if self.tasks else ReplicaStatus.IDLE
        task = self.tasks[0][1] if self.tasks else None
        # The progress was asked for a moment ago; a receipt may have come since.
        rows = max(0, self.progress.rows - self.rows_receipted) if task else 0
        row_cost_s = task.shard.cost_s / max(1, len(task.shard.utterances)) if task else 0.0
        return ReplicaState(
            number=self.number,
            home=self.home,
            status=status,
            shard_id=task.shard.id if task else "",
            progress=self.progress,
            rows_in_flight=rows,
            audio_s_in_flight=max(0.0, self.progress.audio_s - self.audio_s_receipted) if task else 0.0,
            cost_s_in_flight=rows * row_cost_s,
        )
