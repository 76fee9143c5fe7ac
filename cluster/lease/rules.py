"""When a lease is renewed, when it no longer counts, and when another driver may take it: pure, clocks passed in.

Guaranteed, as long as two clocks do not differ in rate by more than a tenth: a holder stops trusting its lease before
any challenger may take it. A holder counts from before its last write that went through, and on while its machine
sleeps; a challenger counts from after it saw that write, and only while it is awake. No two machines' clocks are ever
compared, and no time of day is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from .record import LeaseRecord

RENEW = 1 / 3
RETRY = 1 / 12
TRUST = 5 / 6
"""Parts of a lease: from renewal to renewal, from a failed try to the next, and how long a renewal is trusted."""


@dataclass(frozen=True, slots=True)
class LeaseTerm:
    """The holder's side.

    Attributes:
        confirmed_s: When the last write that went through was begun.
        failed_s: When the last try was begun, if it failed since.
    """

    lease_s: float
    confirmed_s: float
    failed_s: float | None = None

    def holds(self, now_s: float) -> bool:
        """Whether no other driver can have taken the lease yet. False also before its beginning: a clock went back."""
        return self.confirmed_s <= now_s < self.confirmed_s + TRUST * self.lease_s

    def pause_s(self, now_s: float) -> float:
        """How long to wait before the next try; never longer than between two renewals, whatever the clock did."""
        if self.failed_s is not None:
            due_s = self.failed_s + RETRY * self.lease_s
        else:
            due_s = self.confirmed_s + RENEW * self.lease_s
        return min(max(due_s - now_s, 0.0), RENEW * self.lease_s)

    def confirmed(self, begun_s: float) -> LeaseTerm:
        """After a write that went through."""
        return LeaseTerm(self.lease_s, begun_s)

    def failed(self, begun_s: float) -> LeaseTerm:
        """After a try that failed, or whose answer never came."""
        return replace(self, failed_s=begun_s)


class Verdict(Enum):
    """What a challenger makes of a lease."""

    FREE = auto()
    ALIVE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Watch:
    """The challenger's side: since when, by its own clock, it has seen the object unchanged."""

    tag: str
    since_s: float
    has_changed: bool = False

    def seen(self, tag: str, now_s: float) -> Watch:
        """After another look."""
        return self if tag == self.tag else Watch(tag, now_s, has_changed=True)


def judge(
    holder: LeaseRecord | None, watch: Watch, now_s: float, *, lease_s: float, machine: str, is_gone: bool
) -> Verdict:
    """Whether a lease may be taken.

    Args:
        holder: The lease; None for an object that cannot be read, which is watched for `lease_s`.
        watch: What was seen of it.
        now_s: By this machine's monotonic clock, as `watch` counts.
        lease_s: How long a lease lasts whose record does not say so.
        machine: This process's; a holder of the same one counts by the same clock.
        is_gone: The holder's process has certainly ended.
    """
    if holder is not None:
        lease_s = holder.lease_s
        if holder.is_released or is_gone:
            return Verdict.FREE
        if machine and holder.process.machine == machine and holder.beat_s <= now_s:
            return Verdict.FREE if now_s - holder.beat_s >= lease_s else Verdict.ALIVE
    if now_s - watch.since_s >= lease_s:
        return Verdict.FREE
    return Verdict.ALIVE if watch.has_changed else Verdict.UNKNOWN
