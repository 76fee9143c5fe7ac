"""Attempts at tasks: which replica holds which, and which may still count. Records, without Ray."""

from __future__ import annotations

from dataclasses import dataclass, field

from .retry import Task


@dataclass(slots=True)
class InFlightTask:
    """A task that one or two replicas hold. Only the attempts in `attempts` may count."""

    task: Task
    attempts: dict[str, Attempt] = field(default_factory=dict["str", "Attempt"])

    @property
    def may_be_copied(self) -> bool:
        """Whether a second attempt may begin.

        A suspect task has one attempt, so that a death has one possible cause. The rows of a task that is handed back
        become a new task by themselves.
        """
        is_handed_back = any(attempt.is_handed_back for attempt in self.attempts.values())
        return len(self.attempts) == 1 and not self.task.is_suspect and not is_handed_back


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at a task: one replica speaks it into a part of its own.

    Attributes:
        is_copy: Another attempt at the task began before it.
        is_dropped: It cannot count any more: the objects that it stores are orphans.
        is_handed_back: The replica is to hand back the rows that are not done; the others count.
    """

    part: str
    replica: int
    in_flight: InFlightTask
    sent_at_s: float
    is_copy: bool = False
    is_dropped: bool = False
    is_handed_back: bool = False


@dataclass(slots=True)
class ReplicaQueue:
    """The attempts that a replica holds. It speaks the oldest, which comes first.

    Attributes:
        since_s: Time at which it began to speak the oldest.
        share: Observed progress of the oldest, 0 … 1.
        is_draining: Its node is going away, so it gets no new task.
    """

    replica: int
    attempts: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    since_s: float = 0.0
    share: float = 0.0
    is_draining: bool = False

    @property
    def head(self) -> Attempt | None:
        return next(iter(self.attempts.values()), None)

    @property
    def is_quarantined(self) -> bool:
        return any(attempt.in_flight.task.is_suspect and not attempt.is_dropped for attempt in self.attempts.values())

    def add(self, attempt: Attempt) -> None:
        """Append an attempt."""
        if not self.attempts:
            self.since_s, self.share = attempt.sent_at_s, 0.0
        self.attempts[attempt.part] = attempt

    def remove(self, part: str, now_s: float, *, has_spoken: bool) -> tuple[Attempt, float]:
        """Remove an attempt that was answered; the attempt, and the seconds that it took."""
        head, attempt = self.head, self.attempts.pop(part)
        # Attempts that are spoken together end one after the other: each took the time since the one before.
        spent_s = now_s - max(attempt.sent_at_s, self.since_s)
        if attempt is head or has_spoken:
            self.since_s = now_s
        if attempt is head:
            self.share = 0.0
        return attempt, spent_s
