"""Attempts at tasks: which replica holds what, and which attempts may still count. Records, without Ray."""

from __future__ import annotations

from dataclasses import dataclass, field

from .retry import Task


@dataclass(slots=True)
class Flight:
    """A task that is out: with one replica, or with two. Only the attempts named here may count."""

    task: Task
    attempts: dict[str, Errand] = field(default_factory=dict["str", "Errand"])

    @property
    def may_be_copied(self) -> bool:
        """Whether a second attempt may begin: a suspect has one, so that a death has one possible cause.

        What is handed back comes again by itself.
        """
        is_handed_back = any(errand.is_handed_back for errand in self.attempts.values())
        return len(self.attempts) == 1 and not self.task.is_suspect and not is_handed_back


@dataclass(slots=True, eq=False)
class Errand:
    """One attempt at a task: what one replica is to speak into a part of its own.

    is_dropped   nobody wants it any more: whatever comes of it is litter
    is_handed_back   its replica was told to speak no more of it; what it has done counts
    """

    part: str
    replica: int
    flight: Flight
    sent_at_s: float
    is_copy: bool = False
    is_dropped: bool = False
    is_handed_back: bool = False


@dataclass(slots=True)
class Queue:
    """What a replica holds, the oldest first, which is the one that it speaks.

    since_s      when it began to speak the oldest
    share        of the oldest that is seen to be spoken, 0 … 1
    is_draining  its node goes away: it gets nothing new
    """

    replica: int
    errands: dict[str, Errand] = field(default_factory=dict[str, Errand])
    since_s: float = 0.0
    share: float = 0.0
    is_draining: bool = False

    @property
    def head(self) -> Errand | None:
        return next(iter(self.errands.values()), None)

    @property
    def is_quarantined(self) -> bool:
        return any(errand.flight.task.is_suspect and not errand.is_dropped for errand in self.errands.values())

    def add(self, errand: Errand) -> None:
        """Behind all others."""
        if not self.errands:
            self.since_s, self.share = errand.sent_at_s, 0.0
        self.errands[errand.part] = errand

    def remove(self, part: str, now_s: float, *, has_spoken: bool) -> tuple[Errand, float]:
        """Take out what was answered: the errand, and the seconds that it took."""
        head, errand = self.head, self.errands.pop(part)
        # Two that are spoken together end one after the other: each took the time since the last.
        spent_s = now_s - max(errand.sent_at_s, self.since_s)
        if errand is head or has_spoken:
            self.since_s = now_s
        if errand is head:
            self.share = 0.0
        return errand, spent_s
