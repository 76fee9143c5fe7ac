"""The policy for tasks whose replica died: try again, cut in two, or fail the row. Pure.

A replica may die for reasons of its machine, so its task is tried again. A task that two replicas died of is halved,
and its halves again, until the row that kills replicas is alone and all others are spoken.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ...actors.records.utterance import Shard, Utterance
from ...actors.records.utterance_columns import UtteranceColumns, texts_of

DEATHS_BEFORE_HALVING = 2
DEATHS_OF_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Task:
    """Utterances of one shard to be spoken by one replica.

    Attributes:
        deaths: Number of replicas that died while they spoke it.
        cost_s: Estimated seconds on one replica.
    """

    shard: Shard
    utterances: Sequence[Utterance]
    deaths: int = 0
    cost_s: float = 0.0

    @property
    def is_suspect(self) -> bool:
        """Whether a replica must hold no other task beside it, so that the next death has one possible cause."""
        return self.deaths > 0

    def cut(self, num_rows: int) -> tuple[Task, Task]:
        """Its first `num_rows` rows, and the others."""
        return self._of(self.utterances[:num_rows]), self._of(self.utterances[num_rows:])

    def left(self, rows: Collection[int]) -> Task:
        """The task with these rows only."""
        columns = UtteranceColumns.of(self.utterances)
        return self._of(columns.at([at for at, row in enumerate(columns.rows) if row in rows]))

    def _of(self, utterances: Sequence[Utterance]) -> Task:
        share = _num_chars(utterances) / max(1, _num_chars(self.utterances))
        return replace(self, utterances=utterances, cost_s=self.cost_s * share)


@dataclass(frozen=True, slots=True)
class PoisonRow:
    """A row that killed one replica after another.

    Attributes:
        cause: The last error of the last replica, in words.
    """

    shard: Shard
    utterance: Utterance
    deaths: int
    cause: str


def after_death(task: Task, cause: str, *, is_blamed: bool) -> list[Task] | PoisonRow:
    """The tasks that replace one whose replica died, or the row to give up.

    Args:
        task: The task that the replica held.
        cause: The cause of the death, in words.
        is_blamed: Whether the task may be the cause: it was running, and the machine was not taken away.
    """
    if not is_blamed:
        return [task]
    deaths = task.deaths + 1
    num_rows = len(task.utterances)
    if num_rows == 1:
        if deaths >= DEATHS_OF_A_ROW:
            return PoisonRow(task.shard, task.utterances[0], deaths, cause)
        return [replace(task, deaths=deaths)]
    if deaths < DEATHS_BEFORE_HALVING:
        return [replace(task, deaths=deaths)]
    # A half stays suspect: its next death halves it at once.
    suspect = replace(task, deaths=DEATHS_BEFORE_HALVING - 1)
    return list(suspect.cut(num_rows // 2))


def _num_chars(utterances: Sequence[Utterance]) -> int:
    return sum(map(len, texts_of(utterances)))
