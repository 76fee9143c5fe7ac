"""Tasks that no replica holds yet: those to try again, and shards that were added. Pure.

Guaranteed: each task comes out once, in the order of its expected length, whole or in pieces that together hold all its
rows. Shards are handed out whole until the last one was added. From then on a replica gets a piece of the remaining
work that fits its speed. Pieces become smaller and smaller, so that all replicas end together, whatever their speeds
and however far off the estimates are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import accumulate

from ...actors.records.utterance import Shard
from ...actors.records.utterance_columns import texts_of
from .retry import Task

PARTS_OF_SHARE = 3
"""At the end a replica gets one part in so many of its share of the remaining work; the rest corrects estimates."""

LEAST_ROWS = 8
ENOUGH_S = 1.0
"""Fewer rows than `LEAST_ROWS` fill no batch: a piece has as many, or else takes `ENOUGH_S` expected seconds."""

LEAST_S = 0.25
"""Least expected seconds of a piece: a shorter one costs more in calls than it gains in balance."""


MANY_ROWS = 50_000
"""More cheap shards wait in the queue than expensive ones, up to so many rows, which are in memory."""


class TaskQueue:
    """The tasks that are still to be handed out."""

    def __init__(self) -> None:
        self._again: deque[Task] = deque()
        self._ahead: deque[Task] = deque()
        self._left_s = self._most_s = 0.0
        self._num_rows = 0
        self._is_all_seen = False

    def __bool__(self) -> bool:
        return bool(self._again or self._ahead)

    @property
    def left_s(self) -> float:
        """Estimated seconds of all waiting tasks, on one replica."""
        return max(0.0, self._left_s)

    @property
    def is_all_seen(self) -> bool:
        """Whether the last shard was added."""
        return self._is_all_seen

    def wants(self, num_shards: int) -> bool:
        """Whether more shards may come, and less work waits than `num_shards` of the most expensive shards have."""
        if self._is_all_seen:
            return False
        is_little = self._left_s < num_shards * self._most_s and self._num_rows < MANY_ROWS
        return len(self._ahead) < num_shards or is_little

    def add(self, shards: Iterable[Shard], *, is_all: bool = False) -> None:
        """Add shards behind the others.

        Args:
            shards: Those of a window.
            is_all: These are the last shards.
        """
        assert not self._is_all_seen, "the work was said to be all"
        for shard in shards:
            self._ahead.append(Task(shard, shard.utterances, cost_s=shard.cost_s))
            self._left_s += shard.cost_s
            self._num_rows += len(shard.utterances)
            self._most_s = max(self._most_s, shard.cost_s)
        if is_all:
            self._is_all_seen = True
            # Windows overlap: short rows of one may wait before long ones of the next.
            self._ahead = deque(sorted(self._ahead, key=_longest, reverse=True))

    def put_back(self, tasks: Iterable[Task]) -> None:
        """Put back tasks, to be handed out before all others."""
        tasks = list(tasks)
        self._again.extendleft(reversed(tasks))
        self._left_s += sum(task.cost_s for task in tasks)
        self._num_rows += sum(len(task.utterances) for task in tasks)

    def take(self, share: float, pace: float, *, is_alone: bool) -> tuple[Task, bool] | None:
        """Take the next task for a replica; None if there is none.

        Args:
            share: The replica's share of the work of all replicas, above 0 and up to 1.
            pace: The replica's seconds per estimated second.
            is_alone: The replica holds no other task. Only then does it get a suspect task, so that the next death has
                one cause.

        Returns:
            The task, and whether it was cut off a task whose rest stays in the queue
        """
        task = self._first(is_alone=is_alone)
        if task is None:
            return None
        self._left_s = self._left_s - task.cost_s if self else 0.0
        self._num_rows -= len(task.utterances)
        if task.is_suspect or not self._is_all_seen:
            return task, False
        piece_s = max((self.left_s + task.cost_s) * share / PARTS_OF_SHARE, LEAST_S / pace)
        num_rows = _rows_of(task, piece_s, ENOUGH_S / pace)
        if num_rows == len(task.utterances):
            return task, False
        piece, rest = task.cut(num_rows)
        self.put_back([rest])
        return piece, True

    def _first(self, *, is_alone: bool) -> Task | None:
        for task in self._again:
            if is_alone or not task.is_suspect:
                self._again.remove(task)
                return task
        return self._ahead.popleft() if self._ahead else None


def _rows_of(task: Task, piece_s: float, enough_s: float) -> int:
    """The number of rows for a piece of this cost; all rows if the rest would be too small."""
    num_rows = len(task.utterances)
    if task.cost_s <= 1.5 * piece_s or num_rows == 1:
        return num_rows
    lengths = list(accumulate(map(len, texts_of(task.utterances))))
    char_s = task.cost_s / max(1, lengths[-1])
    least = min(LEAST_ROWS, bisect_left(lengths, enough_s / char_s) + 1)
    wanted = max(least, bisect_left(lengths, piece_s / char_s) + 1)
    return wanted if num_rows - wanted >= least else num_rows


def _longest(task: Task) -> int:
    return max(map(len, texts_of(task.utterances)), default=0)
