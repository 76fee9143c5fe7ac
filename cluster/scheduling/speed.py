"""The speed of each replica, from the tasks that it has finished, and the time that a task still takes. Pure.

A speed is measured seconds per estimated second. It compares replicas with each other: if all are slower than the
estimates, no decision changes.
"""

from __future__ import annotations

KEPT = 0.7
"""Weight of earlier tasks when one is recorded: about the last four count, so a node that slows down is noticed."""

LATE = 0.5
"""A late task is expected to take this share of its elapsed time in addition, so that very late tasks are copied."""


class SpeedEstimates:
    """Seconds per estimated second of each replica, by its number."""

    def __init__(self) -> None:
        self._own: dict[int, tuple[float, float]] = {}
        self._seen: dict[int, float] = {}
        self._cost_s = self._spent_s = 0.0

    @property
    def is_known(self) -> bool:
        """Whether any task was recorded."""
        return self._cost_s > 0

    def record_task(self, replica: int, cost_s: float, spent_s: float) -> None:
        """Record a finished task: estimated at `cost_s`, measured at `spent_s`."""
        if cost_s <= 0 or spent_s < 0:
            return
        own_cost_s, own_spent_s = self._own.get(replica, (0.0, 0.0))
        self._own[replica] = (KEPT * own_cost_s + cost_s, KEPT * own_spent_s + spent_s)
        self._cost_s += cost_s
        self._spent_s += spent_s

    def record_progress(self, replica: int, cost_s: float, spent_s: float) -> None:
        """Record the observed progress of a replica's first task: `cost_s` of it done in `spent_s`."""
        if cost_s > 0 and replica not in self._own:
            self._seen[replica] = spent_s / cost_s

    @property
    def typical(self) -> float:
        """Seconds per estimated second over all replicas; 1 before a task was recorded."""
        return max(self._spent_s, 1e-9) / self._cost_s if self._cost_s > 0 else 1.0

    def of(self, replica: int) -> float:
        """Seconds per estimated second: of finished tasks, else of observed progress, else of all replicas."""
        if replica in self._own:
            cost_s, spent_s = self._own[replica]
            return max(spent_s, 1e-9) / cost_s
        return max(self._seen.get(replica, self.typical), 1e-9)

    def remove(self, replica: int) -> None:
        """Forget a replica."""
        self._own.pop(replica, None)
        self._seen.pop(replica, None)


def remaining_s(expected_s: float, elapsed_s: float, share: float) -> float:
    """Seconds until a task is done.

    Args:
        expected_s: Seconds that it was expected to take.
        elapsed_s: Seconds since it began.
        share: Observed progress, 0 … 1; 0 if none was observed. The larger it is, the more weight it has.
    """
    by_time_s = max(expected_s - elapsed_s, LATE * elapsed_s)
    if share <= 0:
        return by_time_s
    share = min(share, 1.0)
    return share * (elapsed_s * (1 - share) / share) + (1 - share) * by_time_s
