"""Whether a replica lives, from its answers: asked every second, silent, or answering without getting on. Pure.

Time counts only while the driver looks: after minutes in which it was busy elsewhere it takes no replica for dead.
Not known here: why a replica is silent. A row may be the cause (text that never lets go of the interpreter), so a
replica that is given up for silence is blamed on what it was speaking, like any death.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...actors.replica.receipt import ReplicaProgress

LOOKED_S = 5.0
"""Between two looks no more than this counts."""

GIVEN_UP = 3.0
"""Times the limit after which standing still is told: then the replica is given up."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a replica counts as frozen, stalled or overdue, in seconds.

    frozen_s     without an answer: the replica is given up; while it loads, ten times as long
    stalled_s    without anything new from anybody: the run says why
    overdue_s    at least so long, and `overdue` times what a task should take, without getting on: it stands still
    ask_s        between two questions how far a replica is
    """

    frozen_s: float = 60.0
    stalled_s: float = 120.0
    overdue_s: float = 120.0
    overdue: float = 10.0
    ask_s: float = 1.0

    def still_s(self, expected_s: float) -> float:
        """Seconds without getting on after which a task of this expected length stands still."""
        return max(self.overdue_s, self.overdue * expected_s)


PATIENT = Timeouts()


@dataclass(slots=True)
class Liveness:
    """The signs of life of one replica.

    silent_s      since it was asked something that it has not answered
    still_s       since it was seen to get on with what it holds
    has_answered  its process is there: before, it may wait for resources
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
        """Record an answer of the replica; whether its progress is another than before."""
        self.silent_s, self.has_answered = 0.0, True
        has_moved = progress != self.progress
        if has_moved:
            self.record_movement()
        self.progress = progress
        return has_moved

    def record_movement(self) -> None:
        """Record that it gets on: a batch, a receipt, a new task."""
        self.still_s = 0.0

    def is_frozen(self, limits: Timeouts, *, is_ready: bool) -> bool:
        """Whether it is to be given up, because it was there and is silent."""
        return self.has_answered and self.silent_s > limits.frozen_s * (1 if is_ready else 10)

    def is_still(self, limits: Timeouts, expected_s: float) -> bool:
        """Whether it answers and gets on with nothing, much longer than its task should take."""
        return self.still_s > limits.still_s(expected_s)

    def is_stuck(self, limits: Timeouts, expected_s: float, others_still_s: float) -> bool:
        """Whether it is to be given up, because it stands still while others get on: so the store is not the cause."""
        limit_s = limits.still_s(expected_s)
        return self.still_s > GIVEN_UP * limit_s and others_still_s < limit_s / 2
