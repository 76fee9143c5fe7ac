"""A living replica in the pool: its actor, its unanswered calls, and its last known state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...actors.replica.receipt import Receipt
from ...actors.replica.replica import ReplicaInfo
from ..scheduling.attempts import ReplicaQueue
from ..scheduling.liveness import Liveness
from .replica_state import ReplicaState, ReplicaStatus


@dataclass(slots=True, eq=False)
class ReplicaHandle:
    """A living actor, its tasks and its unanswered calls.

    Attributes:
        loading, polling: References to the answers of `join` and `progress`; None if there is none
        speaking: References to the answers of `speak`, by part
    """

    number: int
    actor: Any
    loading: Any | None
    liveness: Liveness
    queue: ReplicaQueue
    home: ReplicaInfo | None = None
    speaking: dict[str, Any] = field(default_factory=dict[str, Any])
    polling: Any | None = None
    rows_receipted: int = 0
    audio_s_receipted: float = 0.0

    @property
    def is_ready(self) -> bool:
        return self.loading is None

    @property
    def refs(self) -> list[Any]:
        """References to all answers that the replica still owes."""
        return [*self.speaking.values(), *(ref for ref in (self.loading, self.polling) if ref is not None)]

    @property
    def rows_in_flight(self) -> int:
        """Rows that the replica has spoken and not handed in."""
        # A receipt may have come since the progress was asked for.
        return max(0, self.liveness.progress.rows - self.rows_receipted) if self.queue.head else 0

    @property
    def share(self) -> float:
        """Share of the running task's rows that are done, 0 … 1."""
        head = self.queue.head
        return min(1.0, self.rows_in_flight / max(1, len(head.in_flight.task.utterances))) if head else 0.0

    def receipted(self, receipt: Receipt) -> None:
        """Count the rows of a receipt, whether the attempt counts or not."""
        self.rows_receipted += receipt.num_ok + receipt.num_failed
        self.audio_s_receipted += receipt.audio_ms / 1000

    def state(self, now_s: float, expected_s: float) -> ReplicaState:
        """The last known state of the replica; `expected_s`: seconds that its task should take."""
        head, liveness = self.queue.head, self.liveness
        busy = ReplicaStatus.SPEAKING if head else ReplicaStatus.IDLE
        task = head.in_flight.task if head else None
        # A task that two replicas speak counts once.
        counts = head is not None and not head.is_copy and not head.is_dropped
        rows = self.rows_in_flight if counts else 0
        row_cost_s = task.cost_s / max(1, len(task.utterances)) if task else 0.0
        return ReplicaState(
            number=self.number,
            home=self.home,
            status=busy if self.is_ready else ReplicaStatus.STARTING,
            shard_id=task.shard.id if task else "",
            progress=liveness.progress,
            rows_in_flight=rows,
            audio_s_in_flight=max(0.0, liveness.progress.audio_s - self.audio_s_receipted) if counts else 0.0,
            cost_s_in_flight=rows * row_cost_s,
            since_s=now_s - (self.queue.since_s if head else liveness.came_at_s),
            expected_s=expected_s,
            silent_s=liveness.silent_s,
            still_s=liveness.still_s,
            has_answered=liveness.has_answered,
            is_spoken=self.share >= 1.0,
            is_draining=self.queue.is_draining,
        )
