"""Work that no replica holds yet: tasks to try again, and shards that were added. Pure.

Guaranteed: what goes in comes out once, in the order of its expected length, whole or in pieces that together hold
all its rows. Shards are handed out whole until the last of them is in sight; from there on a replica gets a part of
what is left that fits its speed, smaller and smaller, so that all end together whatever their speeds and however far
off the estimates are. Not known here: replicas, what becomes of a task.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import accumulate

from ...actors.records.utterance import Shard
from .retry import Task

PARTS_OF_SHARE = 3
"""At the end a replica gets this part of its share of what is left: the rest makes up for wrong estimates."""

LEAST_ROWS = 8
ENOUGH_S = 1.0
"""Fewer rows than `LEAST_ROWS` fill no batch; unless they take so many expected seconds, they stay together."""

LEAST_S = 0.25
"""Expected seconds of a piece: below them its calls cost more than the balance gains."""


MANY_ROWS = 50_000
"""Of cheap shards, more wait here than of expensive ones, up to so many rows: they lie in memory."""


class TaskQueue:
    """What is still to be handed out."""

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
        """Estimated seconds of all that waits here, on one replica."""
        return max(0.0, self._left_s)

    @property
    def is_all_seen(self) -> bool:
        """Whether no shard is left beyond those that wait here."""
        return self._is_all_seen

    def wants(self, num_shards: int) -> bool:
        """Whether less work waits here than `num_shards` of the most expensive shards have, and more may come."""
        if self._is_all_seen:
            return False
        is_little = self._left_s < num_shards * self._most_s and self._num_rows < MANY_ROWS
        return len(self._ahead) < num_shards or is_little

    def add(self, shards: Iterable[Shard], *, is_all: bool = False) -> None:
        """Add shards behind the others.

        Args:
            shards: Those of a window.
            is_all: No more will come.
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
        """Tasks that are to be tried again, before everything else."""
        tasks = list(tasks)
        self._again.extendleft(reversed(tasks))
        self._left_s += sum(task.cost_s for task in tasks)
        self._num_rows += sum(len(task.utterances) for task in tasks)

    def take(self, share: float, pace: float, *, is_alone: bool) -> tuple[Task, bool] | None:
        """The next task for a replica, and whether it was cut off one whose rest stays here; None if there is none.

        Args:
            share: The share of the work of all replicas that this one does, above 0 and up to 1.
            pace: Its seconds per estimated second.
            is_alone: It has nothing else to do: only then does it get a suspect, so that the next death has one cause.
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
    """How many rows make a piece of this cost; all of them where the rest would be a crumb."""
    num_rows = len(task.utterances)
    if task.cost_s <= 1.5 * piece_s or num_rows == 1:
        return num_rows
    lengths = list(accumulate(len(utterance.text) for utterance in task.utterances))
    char_s = task.cost_s / max(1, lengths[-1])
    least = min(LEAST_ROWS, bisect_left(lengths, enough_s / char_s) + 1)
    wanted = max(least, bisect_left(lengths, piece_s / char_s) + 1)
    return wanted if num_rows - wanted >= least else num_rows


def _longest(task: Task) -> int:
    return max((len(utterance.text) for utterance in task.utterances), default=0)
