"""The progress of a run as one immutable snapshot: totals, rates and time left. Pure.

A row counts as done when a replica has spoken or refined it. The snapshot counts committed rows separately. `display`
shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ...actors.batcher.stats import BatchStats
from ...actors.gate.stats import NO_GATE, GateStats
from ...cluster.pool.replica_state import ReplicaState
from ..output.totals import Totals
from .result import RunFigures


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run.

    Attributes:
        rows_done: Rows spoken, refined or failed, committed or not
        rows_committed: Rows whose manifest is stored
        rows_total: Rows of the corpus; an estimate until the whole corpus was read (`is_total_exact`)
        rtfx: Seconds of audio per second of this run, since the first replica was ready; 0 before
        batch_fill: Cells that hold a token / all cells, in this run; None before the first batch
        num_out_of_memory: Batches of this run that did not fit and were packed again
        notice: A message to the user about a delay; empty if there is none
        eta_s: Seconds left at the rate of this run; None while unknown
        task: "speak", or "refine", which makes no audio
        rows_per_s: Rows done per second of this run, since the first replica was ready; 0 before
        gate: What the judges said in this run
    """

    rows_done: int
    rows_committed: int
    rows_total: int
    is_total_exact: bool
    num_failed: int
    audio_s: float
    elapsed_s: float
    rtfx: float
    batch_fill: float | None
    num_out_of_memory: int
    eta_s: float | None
    num_deaths: int
    replicas: tuple[ReplicaState, ...]
    notice: str = ""
    task: str = "speak"
    rows_per_s: float = 0.0
    gate: GateStats = NO_GATE

    @classmethod
    def starting(cls, task: str, notice: str) -> Self:
        """A run that waits for its cluster; `notice` says for what."""
        return cls(0, 0, 0, False, 0, 0.0, 0.0, 0.0, None, 0, None, 0, (), notice, task)

    @property
    def is_starting(self) -> bool:
        """Whether no replica has been asked for yet."""
        return not self.replicas and not self.rows_total


class Tracker:
    """Counts the progress of a run; every call gets the time as an argument."""

    def __init__(self, committed: Totals, started_s: float, task: str = "speak") -> None:
        self._task = task
        self._before = committed
        self._committed = committed
        self._started_s = started_s
        self._speaking_since_s: float | None = None
        self._rows_planned = 0
        self._cost_planned_s = self._cost_skipped_s = self._cost_done_s = 0.0
        self._fraction_read = 0.0
        self._batches, self._gate = BatchStats(), NO_GATE
        self._storing, self._cost_storing_s = Totals(), 0.0
        self._speaking_s = 0.0
        self._num_replicas = self._num_deaths = 0

    def record_window(self, num_rows: int, cost_s: float, skipped_cost_s: float, fraction_read: float) -> None:
        """Record a planned window; `skipped_cost_s` of its cost was committed by an earlier run."""
        self._rows_planned += num_rows
        self._cost_planned_s += cost_s
        self._cost_skipped_s += skipped_cost_s
        self._fraction_read = fraction_read

    def record_commit(self, num_ok: int, num_failed: int, audio_s: float, cost_s: float) -> None:
        """Record a part that this run committed."""
        self._committed = self._committed.plus(num_ok, num_failed, audio_s)
        self._cost_done_s += cost_s

    def record_kept(self, num_ok: int, num_failed: int, audio_s: float, cost_s: float) -> None:
        """Record a part that this run committed, and whose rows an earlier run has made."""
        self.record_commit(num_ok, num_failed, audio_s, cost_s)
        self._before = self._before.plus(num_ok, num_failed, audio_s)

    def record_pending(self, totals: Totals, cost_s: float) -> None:
        """Record the rows that wait for the store now, and their cost."""
        self._storing, self._cost_storing_s = totals, cost_s

    def record_batches(self, batches: BatchStats) -> None:
        """Record the batches of receipts."""
        self._batches += batches

    def record_gate(self, gate: GateStats) -> None:
        """Record what judges said, of receipts."""
        self._gate += gate

    @property
    def figures(self) -> RunFigures:
        """The figures of this run: committed rows and their batches, deaths; the others as of the last snapshot."""
        return RunFigures(
            new_rows=self._committed.num_rows - self._before.num_rows,
            new_audio_s=self._new_audio_s,
            speaking_s=self._speaking_s,
            batches=self._batches,
            num_replicas=self._num_replicas,
            num_deaths=self._num_deaths,
            gate=self._gate,
        )

    @property
    def _new_audio_s(self) -> float:
        return self._committed.audio_s - self._before.audio_s

    def record_start(self, now_s: float) -> None:
        """Record that a replica has work; the first call counts."""
        if self._speaking_since_s is None:
            self._speaking_since_s = now_s

    def record_deaths(self, num_deaths: int) -> None:
        """Record how many replicas have died or were given up in this run so far."""
        self._num_deaths = num_deaths

    def snapshot(self, now_s: float, replicas: Sequence[ReplicaState], notice: str = "") -> Snapshot:
        """The present state of the run, rows that replicas have not handed in included."""
        speaking_s = now_s - self._speaking_since_s if self._speaking_since_s is not None else 0.0
        self._speaking_s, self._num_replicas = speaking_s, len(replicas)
        storing = self._storing
        audio_s = self._new_audio_s + storing.audio_s + sum(r.audio_s_in_flight for r in replicas)
        done = self._committed.num_rows + storing.num_rows + sum(r.rows_in_flight for r in replicas)
        running = sum((replica.progress.batches for replica in replicas), BatchStats())
        # Replicas tell of rows that they have not handed in; those that have died told of rows that they had.
        heard = sum((replica.progress.gate for replica in replicas), NO_GATE)
        is_exact = self._fraction_read >= 1.0
        return Snapshot(
            rows_done=done,
            rows_committed=self._committed.num_rows,
            rows_total=self._estimated(self._rows_planned, at_least=done),
            is_total_exact=is_exact,
            num_failed=self._committed.num_failed,
            audio_s=self._before.audio_s + audio_s,
            elapsed_s=now_s - self._started_s,
            rtfx=audio_s / speaking_s if speaking_s > 0 else 0.0,
            batch_fill=self._batches.fill if self._batches.cells_total else running.fill,
            num_out_of_memory=max(self._batches.num_out_of_memory, running.num_out_of_memory),
            eta_s=self._eta_s(speaking_s, self._cost_storing_s + sum(r.cost_s_in_flight for r in replicas)),
            num_deaths=self._num_deaths,
            replicas=tuple(replicas),
            notice=notice,
            task=self._task,
            gate=max(heard, self._gate, key=lambda gate: gate.num_judged),
            rows_per_s=(done - self._before.num_rows) / speaking_s if speaking_s > 0 else 0.0,
        )

    def _estimated(self, planned: float, at_least: int = 0) -> int:
        fraction = self._fraction_read
        return max(at_least, round(planned / fraction)) if fraction > 0 else at_least

    def _eta_s(self, speaking_s: float, in_flight_s: float) -> float | None:
        done = self._cost_done_s + in_flight_s
        if done <= 0 or speaking_s <= 0 or self._fraction_read <= 0:
            return None
        left = self._cost_planned_s / self._fraction_read - self._cost_skipped_s - done
        return max(0.0, left) * speaking_s / done
