"""Whether a replica lives, from its answers to a question every second: it may be silent, or make no progress. Pure.

Time counts only while the driver looks: a driver that was busy for minutes does not take its replicas for dead. A row
may be the cause of silence (text that never lets go of the interpreter). So the task that a silent replica was speaking
is blamed when the replica is given up, as at any death.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...actors.replica.receipt import ReplicaProgress

LOOKED_S = 5.0
"""At most so many seconds count between two looks."""

GIVEN_UP = 3.0
"""A replica is given up after this many times the seconds without progress after which it is reported."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a replica counts as frozen, stalled or overdue, in seconds.

    Attributes:
        frozen_s: Seconds without an answer after which a replica is given up; ten times as long while it loads.
        stalled_s: Seconds without progress of any replica after which the run reports why.
        overdue_s: Least seconds without progress after which a replica stands still.
        overdue: The replica stands still after `overdue` times the expected seconds of its task, if that is longer.
        ask_s: Seconds between two questions for a replica's progress.
    """

    frozen_s: float = 60.0
    stalled_s: float = 120.0
    overdue_s: float = 120.0
    overdue: float = 10.0
    ask_s: float = 1.0

    def still_s(self, expected_s: float) -> float:
        """Seconds without progress after which a task of `expected_s` stands still."""
        return max(self.overdue_s, self.overdue * expected_s)


PATIENT = Timeouts()


@dataclass(slots=True)
class Liveness:
    """The signs of life of one replica.

    Attributes:
        came_at_s: Time at which the replica was started.
        progress: Its last answer.
        silent_s: Seconds since an unanswered question.
        still_s: Seconds since its last progress.
        has_answered: Its process has started; before, it may wait for resources.
    """

    came_at_s: float
    progress: ReplicaProgress = field(default_factory=ReplicaProgress)
    has_answered: bool = False
    silent_s: float = 0.0
    still_s: float = 0.0

    def record_time(self, elapsed_s: float, *, is_asked: bool, has_work: bool) -> None:
        """Count the time since the last look."""
        counted_s = min(elapsed_s, LOOKED_S)
        self.silent_s = self.silent_s + counted_s if is_asked else 0.0
        self.still_s = self.still_s + counted_s if has_work else 0.0

    def record_progress(self, progress: ReplicaProgress) -> bool:
        """Record an answer of the replica; True if its progress has changed."""
        self.silent_s, self.has_answered = 0.0, True
        has_moved = progress != self.progress
        if has_moved:
            self.record_movement()
        self.progress = progress
        return has_moved

    def record_movement(self) -> None:
        """Record progress: a batch, a receipt, a new task."""
        self.still_s = 0.0

    def is_frozen(self, limits: Timeouts, *, is_ready: bool) -> bool:
        """Whether the replica has answered before and is silent for too long now, so that it has to be given up."""
        return self.has_answered and self.silent_s > limits.frozen_s * (1 if is_ready else 10)

    def is_still(self, limits: Timeouts, expected_s: float) -> bool:
        """Whether the replica has made no progress for much longer than its task should take."""
        return self.still_s > limits.still_s(expected_s)

    def is_stuck(self, limits: Timeouts, expected_s: float, others_still_s: float) -> bool:
        """Whether the replica stands still while others make progress, so that it has to be given up.

        If no replica makes progress, the store may be the cause.
        """
        limit_s = limits.still_s(expected_s)
        return self.still_s > GIVEN_UP * limit_s and others_still_s < limit_s / 2
