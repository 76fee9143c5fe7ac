"""The loop of a run: feed shards, collect completed ones, commit them.

Guaranteed: every row of the corpus ends in exactly one committed manifest. A manifest is written after all objects that
it names, and the mark of completeness after all manifests. While the store is slow, shards are fed until too many parts
wait for it. If the driver is killed at any moment, the next run continues the output. Audio never passes through the
driver; refined texts do, inside the receipts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...actors.gate.stats import GateStats
from ...cluster.pool.shard_pool import ShardPool
from ...errors import TooManyAttempts
from ..output.claim import Claim
from ..output.ledger import Ledger
from ..output.plan_log import PlanLog
from ..planning.planner import Planner
from ..update.planner import UpdatePlanner
from .commits import Commits
from .committer import Committer
from .completion import complete_output
from .intake import Intake
from .learning import Learning
from .prepare import ResolvedJob
from .progress import Snapshot, Tracker
from .result import Result
from .trace import Trace

if TYPE_CHECKING:
    from .metrics import Telemetry

COLLECT_S = 0.5
PLAN_S = 0.05
"""Seconds to wait instead while replicas have no work and the next window is being planned."""
JUDGED_ROWS = 500
"""Fewer do not say how many attempts rows take."""
FINISH_S = 20.0
"""Grace period for losing attempts to finish uploading, so that their objects can be swept."""

Observer = Callable[[Snapshot], None]


class Run:
    """One run over an output that it has claimed. Use it as a context manager; leaving it ends the planning."""

    def __init__(
        self,
        job: ResolvedJob,
        log: PlanLog,
        ledger: Ledger,
        claim: Claim,
        committer: Committer,
        observe: Observer | None,
        planner: UpdatePlanner | None = None,
    ) -> None:
        """Begin to plan.

        Args:
            ledger: The parts that were committed when `claim` was made
            planner: Plans the rest, in place of the windows of the corpus
        """
        self._job = job
        self._log = log
        self._claim = claim
        self._observe = observe
        self._tracker = Tracker(ledger.totals, time.monotonic(), job.spec.task)
        asked_seeds = planner.asked_seeds if planner is not None else {}
        self._commits = Commits(job.info, job.spec.task, ledger, committer, self._tracker, asked_seeds)
        windows = planner or Planner(job.corpus, log, ledger, job.cost, job.spec.sharding.limits())
        self._intake = Intake(iter(windows), self._commits, self._tracker)
        self._learning = Learning(job.model, job.info, job.cost, job.gate.key if job.gate else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._intake.stop()

    @property
    def stamp(self) -> str:
        """The run's stamp in the names of its parts."""
        return self._claim.stamp

    def has_work(self) -> bool:
        """Whether an uncommitted shard is left; reads the corpus until one is found."""
        return self._intake.has_work(COLLECT_S)

    def speak_all(self, pool: ShardPool, telemetry: Telemetry | None, trace: Trace | None, note: str = "") -> None:
        """Feed, collect, commit, until every shard is committed.

        Args:
            note: What the user is told while no replica is loaded yet
        """
        intake, commits = self._intake, self._commits
        intake.begin()
        while not (intake.is_done and pool.is_idle and commits.is_idle):
            self._claim.check()  # also while no part waits to be committed
            intake.feed(pool)
            if not pool.is_idle:
                self._tracker.record_start(time.monotonic())
            is_spoken = pool.is_idle and not commits.is_idle
            wait_s = PLAN_S if pool.wants_more and not intake.is_planned else COLLECT_S
            for completed in pool.collect(0.0 if is_spoken else wait_s):
                commits.add_shard(completed)
                self._learning.record(completed)
            commits.settle(wait_s if is_spoken else 0.0)
            self.sweep(pool)
            self._show(pool, telemetry, trace, note)
        pool.finish(FINISH_S)
        self._record_ended(pool, trace)
        self._learning.keep(pool.profiles.values(), pool.cards.values())

    def sweep_others(self) -> None:
        """Queue the removal of objects that the output held before it was begun anew."""
        self._commits.add_cleanup(self._claim.sweep)

    def complete(self) -> Result:
        """Store the last parts and write the mark of completeness. Raises as `complete_output` does."""
        while not self._commits.is_idle:
            self._commits.settle(COLLECT_S)
        figures, num_rows = self._tracker.figures, self._intake.num_rows
        done = complete_output(self._job, self._claim, self._log, self._commits.totals, num_rows, figures.batches)
        return Result.of(self._job.spec, done, figures)

    def sweep(self, pool: ShardPool) -> None:
        """Queue the removal of orphans: objects of attempts that came second or whose replica died."""
        for part in pool.orphaned_parts():
            # An orphan that stays does no harm: no manifest names it, and `verify` finds it.
            self._commits.add_cleanup(partial(self._job.parts.sweep, part))

    def _record_ended(self, pool: ShardPool, trace: Trace | None) -> None:
        """Record the attempts and the replicas that have ended since the last call."""
        for span in pool.spans():
            if trace is not None:
                trace.add(span)
        self._tracker.record_deaths(pool.num_deaths)

    def _show(self, pool: ShardPool, telemetry: Telemetry | None, trace: Trace | None, note: str) -> None:
        self._record_ended(pool, trace)
        states = pool.states()
        note = "" if any(state.home is not None for state in states) else note
        notice = ". ".join(filter(None, (self._commits.notice, self._intake.notice, pool.notice, note)))
        snapshot = self._tracker.snapshot(time.monotonic(), states, notice)
        _refuse_too_many_attempts(snapshot.gate, self._job.spec.quality.max_mean_attempts)
        if telemetry is not None:
            telemetry.observe(snapshot)
        if self._observe is not None:
            self._observe(snapshot)


def _refuse_too_many_attempts(gate: GateStats, most: float) -> None:
    """Raise TooManyAttempts when rows take more attempts than the job allows, once enough rows are judged."""
    if gate.num_rows < JUDGED_ROWS or gate.mean_attempts <= most:
        return
    often = sorted(gate.rejections.items(), key=lambda pair: -pair[1])[:3]
    raise TooManyAttempts(
        f"{gate.num_rows:,} rows took {gate.mean_attempts:.2f} attempts each, more than quality.max_mean_attempts "
        f"({most:g}): rejected most often by {', '.join(f'{kind} ({count:,})' for kind, count in often)}. Judges or "
        "texts are wrong, or the model is not fit for them: listen to some rows, choose other thresholds "
        "(`speechmill judge --calibrate`), or allow more attempts"
    )
