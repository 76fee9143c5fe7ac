"""The plan of an update: what no part holds is cut into new windows, and what is kept of parts gets new manifests.

Guaranteed: every row of the corpus is in a part that counts on, in a window, or in a part that is kept; in one of
them, once. New windows have numbers that no part has, so that no shard of theirs has the name of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...actors.records.utterance import Failure, Utterance
from ...cluster.sharding.sharding import CostModel, ShardLimits, shard_window
from ..corpus import Position
from ..output.plan_log import WindowPlan
from ..planning.planner import Planned
from ..planning.windows import KeptPart, windows
from .comparison import Comparison

KEPT_AT_ONCE = 32
"""Parts whose kept rows are in memory at once."""


class UpdatePlanner:
    """Plans what a comparison leaves to do."""

    def __init__(self, comparison: Comparison, cost: CostModel, limits: ShardLimits, window_rows: int) -> None:
        self._comparison = comparison
        self._cost = cost
        self._limits = limits
        self._window_rows = window_rows
        self._num_planned = 0

    @property
    def asked_seeds(self) -> Mapping[int, int]:
        """By row, the corpus's seed, where another one is spoken."""
        return self._comparison.table.asked_seeds

    def __iter__(self) -> Iterator[Planned]:
        """First what counts on, then what is spoken, so that no replica waits, then what is kept of parts.

        Raises:
            CorpusError: The corpus cannot be read
            CorpusChanged: A file of it has changed
            JobError: A manifest is damaged
        """
        yield Planned(self._plan(self._comparison.num_whole, 0.0), None, (), 0.0)
        rows = (row for block in self._comparison.missing() for row in block)
        yield from self._spoken(rows)
        some: list[KeptPart] = []
        for part in self._comparison.kept():
            some.append(part)
            if len(some) == KEPT_AT_ONCE:
                yield self._kept(some)
                some = []
        if some:
            yield self._kept(some)

    def _spoken(self, rows: Iterable[Utterance | Failure]) -> Iterator[Planned]:
        for window in windows(rows, self._window_rows, self._comparison.next_window):
            shards = shard_window(window.index, window.utterances, self._cost, self._limits, is_last=window.is_last)
            cost_s = sum(shard.cost_s for shard in shards)
            yield Planned(self._plan(window.num_rows, cost_s), window, tuple(shards), 0.0)

    def _kept(self, parts: list[KeptPart]) -> Planned:
        num_rows = sum(len(part.records) for part in parts)
        return Planned(self._plan(num_rows, 0.0), None, (), 0.0, tuple(parts))

    def _plan(self, num_rows: int, cost_s: float) -> WindowPlan:
        self._num_planned += num_rows
        total = self._comparison.table.num_rows
        return WindowPlan(num_rows, Position(), 0, "", b"", cost_s, self._num_planned / total if total else 1.0)
