"""The intake of a run, window by window: shards go to the pool, rejected rows to the commits.

Guaranteed: windows are taken in order, and only while the store keeps up. Planning and speaking happen elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from ...actors.records.utterance import Shard
from ..planning.planner import Planned
from ..planning.planning_thread import PlanningThread
from .commits import Commits
from .committer import SLOW_S
from .progress import Tracker


class ShardTaker(Protocol):
    """The part of a pool that takes shards."""

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits."""
        ...

    @property
    def wants_more(self) -> bool:
        """Whether it should get shards."""
        ...

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Take shards; `is_all`: no more will come."""
        ...


class Intake:
    """Takes the planned windows of one run. `stop` ends the planning.

    Attributes:
        num_rows: Rows of the windows taken so far
    """

    def __init__(
        self,
        windows: Iterator[Planned],
        commits: Commits,
        tracker: Tracker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planning = PlanningThread(windows)
        self._commits = commits
        self._tracker = tracker
        self._clock = clock
        self._shards: list[Shard] = []
        self._hungry_since_s = clock()
        self.num_rows = 0

    @property
    def is_planned(self) -> bool:
        """Whether every window was taken."""
        return self._planning.is_done

    @property
    def is_done(self) -> bool:
        """Whether every shard was fed to the pool."""
        return not self._shards and self.is_planned

    def has_work(self, wait_s: float) -> bool:
        """Whether an uncommitted shard is left; reads the corpus until one is found."""
        while not self._shards and not self.is_planned:
            if self._commits.has_room:
                self._take(wait_s)
            else:  # many windows may have rejected rows only
                self._commits.settle(wait_s)
        return bool(self._shards)

    def feed(self, pool: ShardTaker) -> None:
        """Feed planned shards to the pool, while it wants more and the store keeps up."""
        if not self._commits.has_room:
            return
        if not pool.wants_more or not pool.is_idle or self.is_planned:
            self._hungry_since_s = self._clock()
        while pool.wants_more and self._commits.has_room:
            while not self._shards and self._commits.has_room and self._take():
                pass
            is_all = self.is_planned
            if not self._shards and not is_all:
                break
            pool.feed(self._shards, is_all=is_all)
            self._shards = []
        pool.feed([])

    @property
    def notice(self) -> str:
        """A message to the user while the replicas wait for the corpus; else empty."""
        waited_s = self._clock() - self._hungry_since_s
        if waited_s < SLOW_S:
            return ""
        return (
            f"the replicas have waited for the corpus for {waited_s:.0f} s: its next rows are being read, or the store "
            "does not take their plan. See that input.uri and output.uri are near and well"
        )

    def begin(self) -> None:
        """Start the clock of `notice`: replicas are there and may wait for the corpus."""
        self._hungry_since_s = self._clock()

    def stop(self) -> None:
        """End the planning."""
        self._planning.stop()

    def _take(self, timeout_s: float = 0.0) -> bool:
        """Take a planned window, waiting at most `timeout_s`; False if there was none."""
        planned = self._planning.take(timeout_s)
        if planned is None:
            return False
        plan = planned.plan
        if planned.window is not None:
            self._commits.add_rejected(planned.window)
        for part in planned.kept:
            self._commits.add_kept(part)
        self.num_rows += plan.num_rows
        self._tracker.record_window(plan.num_rows, plan.cost_s, planned.skipped_s, plan.fraction_read)
        self._shards += planned.todo
        return True
