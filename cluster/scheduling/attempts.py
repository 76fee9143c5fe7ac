"""Attempts at tasks: which replica holds what, and which attempts may still count. Records, without Ray."""

from __future__ import annotations

from dataclasses import dataclass, field

from .retry import Task


@dataclass(slots=True)
class InFlightTask:
    """A task that is out: with one replica, or with two. Only the attempts named here may count."""

    task: Task
    attempts: dict[str, Attempt] = field(default_factory=dict["str", "Attempt"])

    @property
    def may_be_copied(self) -> bool:
        """Whether a second attempt may begin: a suspect has one, so that a death has one possible cause.

        What is handed back comes again by itself.
        """
        is_handed_back = any(attempt.is_handed_back for attempt in self.attempts.values())
        return len(self.attempts) == 1 and not self.task.is_suspect and not is_handed_back


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at a task: what one replica is to speak into a part of its own.

    Attributes:
        is_dropped: It cannot count any more: what it stores is an orphan.
        is_handed_back: Its replica was told to hand back the rows that are not done; the others count.
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
    """What a replica holds, the oldest first, which is the one that it speaks.

    Attributes:
        since_s: When it began to speak the oldest.
        share: How much of the oldest is seen to be spoken, 0 … 1.
        is_draining: Its node goes away: it gets nothing new.
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
        """Behind all others."""
        if not self.attempts:
            self.since_s, self.share = attempt.sent_at_s, 0.0
        self.attempts[attempt.part] = attempt

    def remove(self, part: str, now_s: float, *, has_spoken: bool) -> tuple[Attempt, float]:
        """Take out what was answered: the attempt, and the seconds that it took."""
        head, attempt = self.head, self.attempts.pop(part)
        # Two that are spoken together end one after the other: each took the time since the last.
        spent_s = now_s - max(attempt.sent_at_s, self.since_s)
        if attempt is head or has_spoken:
            self.since_s = now_s
        if attempt is head:
            self.share = 0.0
        return attempt, spent_s
