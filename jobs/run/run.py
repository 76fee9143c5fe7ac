"""The run: plan windows, feed shards, commit parts. The driver alone commits.

Guaranteed: every row of the corpus ends in exactly one committed manifest; a manifest is written when everything
that it names is stored, and the mark of completeness when every manifest is. A row counts as committed when its
manifest is in the store, not before; while the store is slow, shards are fed until too much waits for it. Killed at
any moment, the driver leaves an output that the next run continues. Audio never passes through here; refined texts
do, inside the receipts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial

from ...actors.batcher.profile_cache import ProfileCache
from ...actors.batcher.stats import BatchStats
from ...actors.records.manifest import PartName, Record, decode_records, encode_records
from ...actors.records.utterance import Shard
from ...cluster.pool.pool import CompletedShard, Pool
from ...cluster.scheduling.retry import PoisonRow
from ...cluster.sharding.cost_cache import remember
from ...cluster.sharding.cost_learner import CostLearner
from ...errors import JobChanged, JobError, RunStopped
from ..output.claim import Claim
from ..output.complete import Complete
from ..output.ledger import Ledger
from ..output.texts import encode_texts
from ..planning.planner import Planned, Planner
from ..planning.planning_thread import PlanningThread
from ..planning.windows import Window
from .committer import SLOW_S, Committer, PendingPart
from .metrics import Telemetry
from .prepare import ResolvedJob
from .progress import Snapshot, Tracker
from .result import Result
from .trace import Trace

COLLECT_S = 0.5
PLAN_S = 0.05
"""The same while replicas have no work and the next window is being planned."""
FINISH_S = 20.0
"""Grace period for losing attempts to finish uploading, so that their objects can be swept."""

Observer = Callable[[Snapshot], None]


class Run:
    """The state of one run over one output.

    ledger      what is committed
    claim       on the output, and the `committer` through which parts are written; None where nothing will be
    """

    def __init__(
        self,
        job: ResolvedJob,
        ledger: Ledger,
        claim: Claim | None,
        committer: Committer | None,
        observe: Observer | None,
    ) -> None:
        self._job = job
        self._ledger = ledger
        self._claimed = claim
        self._given = committer
        self._observe = observe
        self._log = job.plan_log() if job.found else job.new_plan_log()
        self._tracker = Tracker(self._ledger.totals, time.monotonic(), job.spec.task)
        self._costs = CostLearner(job.cost)
        self._todo: list[Shard] = []
        self._hungry_at_s = 0.0
        self._speaking_s = 0.0
        self._num_rows = self._num_replicas = self._num_deaths = 0

    @cached_property
    def _planning(self) -> PlanningThread[Planned]:
        job = self._job
        return PlanningThread(iter(Planner(job.corpus, self._log, self._ledger, job.cost, job.spec.sharding.limits())))

    def has_work(self) -> bool:
        """Whether a shard is left that is not committed; reads the corpus until one is found."""
        while not self._todo and not self._planning.is_done:
            if self._committer.has_room:
                self._take_window(COLLECT_S)
            else:  # of windows that are all rejected there may be many
                self._settle(COLLECT_S)
        return bool(self._todo)

    def speak_all(self, pool: Pool, telemetry: Telemetry, trace: Trace | None) -> None:
        """Feed, collect, commit, until every shard is committed."""
        committer = self._committer
        self._hungry_at_s = time.monotonic()
        while self._todo or not self._planning.is_done or not pool.is_idle or not committer.is_idle:
            self._claim.check()  # also while nothing is there to be committed
            self._feed(pool)
            if not pool.is_idle:
                self._tracker.speaking_from(time.monotonic())
            is_spoken = pool.is_idle and not committer.is_idle
            collect_s = PLAN_S if pool.wants_more and not self._planning.is_done else COLLECT_S
            for spoken in pool.collect(0.0 if is_spoken else collect_s):
                self._commit(spoken)
            self._settle(collect_s if is_spoken else 0.0)
            self.sweep(pool)
            for span in pool.spans():
                if trace is not None:
                    trace.add(span)
            self._show(pool, telemetry)
        pool.finish(FINISH_S)
        self._remember(pool)

    def _feed(self, pool: Pool) -> None:
        """Give the pool what is planned, as long as it wants more and the store takes what is spoken."""
        if not self._committer.has_room:
            return
        if not pool.wants_more or not pool.is_idle or self._planning.is_done:
            self._hungry_at_s = time.monotonic()
        while pool.wants_more and self._committer.has_room:
            while not self._todo and self._committer.has_room and self._take_window():
                pass
            is_all = self._planning.is_done
            if not self._todo and not is_all:
                break
            pool.feed(self._todo, is_all=is_all)
            self._todo = []
        pool.feed([])

    def stop(self) -> None:
        """Plan no further."""
        if "_planning" in self.__dict__:
            self._planning.stop()

    def sweep(self, pool: Pool) -> None:
        """Remove orphans: what attempts stored that came second, or whose replica died."""
        for part in pool.orphaned_parts():
            # What stays does no harm: no manifest names it, and `verify` finds it.
            self._committer.later(partial(self._job.parts.sweep, part))

    def _remember(self, pool: Pool) -> None:
        """Keep what was learned on this machine, for `plan` and for the next output."""
        job, cache = self._job, ProfileCache()
        if (corrected := self._costs.corrected) is not None:
            remember(job.model, job.info, corrected)
        for profile in pool.profiles.values():
            if cache.get(profile.key) is None:
                cache.put(profile)

    def complete(self) -> Complete:
        """Write the mark that nothing is missing, when nothing is."""
        while not self._committer.is_idle:
            self._settle(COLLECT_S)
        self._job.corpus.refuse_changed()
        totals = self._ledger.totals
        if totals.num_rows != self._num_rows:
            raise JobChanged(
                f"{self._job.spec.output.uri} has {totals.num_rows} rows in its manifests, the corpus "
                f"{self._num_rows}: it has changed since. Restore it, or start anew with --overwrite."
            )
        batches = self._tracker.batches
        complete = Complete(
            totals.num_rows, totals.num_ok, totals.num_failed, totals.audio_s, batches if batches.cells_total else None
        )
        self._claim.complete(complete)
        self._log.delete_ids()
        if not self._claim.is_first:
            with suppress(JobError, RunStopped):  # `verify --sweep` does the same, later
                self._claim.sweep()
        return complete

    @property
    def stamp(self) -> str:
        """The run's, in the names of its parts."""
        return self._claim.stamp

    def sweep_others(self) -> None:
        """Remove what the output held before it was begun anew, while the rest goes on."""
        self._committer.later(self._claim.sweep)

    def _take_window(self, timeout_s: float = 0.0) -> bool:
        """Take a planned window: rejected rows are committed, shards are to be spoken. Whether there was one."""
        planned = self._planning.take(timeout_s)
        if planned is None:
            return False
        plan = planned.plan
        if planned.window is not None:
            self._commit_rejected(planned.window)
        self._num_rows += plan.num_rows
        self._tracker.planned(plan.num_rows, plan.cost_s, planned.skipped_s, plan.fraction_read)
        self._todo += planned.todo
        return True

    def _commit(self, spoken: CompletedShard) -> None:
        """Hand in the shard's manifest."""
        shard, receipts = spoken.shard, spoken.receipts
        poisoned = [self._poisoned(poison_row) for poison_row in spoken.poisoned]
        name = PartName(
            window=shard.window,
            index=shard.index,
            num_ok=sum(receipt.num_ok for receipt in receipts),
            num_failed=sum(receipt.num_failed for receipt in receipts) + len(poisoned),
            audio_ms=sum(receipt.audio_ms for receipt in receipts),
            digest=shard.digest,
        )
        assert name.num_ok + name.num_failed == len(shard.utterances), f"rows lost in shard {shard.id}: {name}"
        if len(receipts) == 1 and not poisoned:
            manifest = receipts[0].manifest
        else:
            spoken_records = [r for receipt in receipts for r in decode_records(receipt.manifest, shard.id)]
            manifest = encode_records([*spoken_records, *poisoned])
        is_text = self._job.spec.task == "refine"
        texts = encode_texts(decode_records(manifest, shard.id)) if is_text else None
        self._committer.add(PendingPart(name, manifest, texts, shard.cost_s))
        self._costs.spoken(shard.utterances, receipts)
        self._tracker.batched(sum((receipt.batches for receipt in receipts), BatchStats()))

    def _commit_rejected(self, window: Window) -> None:
        if not window.rejected:
            return
        info = self._job.info
        records = [Record.of_failure(failure, info.name, info.revision) for failure in window.rejected]
        name = PartName.of(window.index, None, window.rejected_digest, records)
        if not self._ledger.is_done(name.shard_id, name.digest):
            self._committer.add(PendingPart(name, encode_records(records)))

    def _settle(self, timeout_s: float) -> None:
        """Count what is stored as done; wait for it at most so long."""
        for part in self._committer.stored(timeout_s):
            name = part.name
            self._ledger.add(name)
            self._tracker.committed_part(name.num_ok, name.num_failed, name.audio_ms / 1000, part.cost_s)

    @property
    def _claim(self) -> Claim:
        assert self._claimed is not None, "nothing is written without a claim"
        return self._claimed

    @property
    def _committer(self) -> Committer:
        assert self._given is not None, "nothing is written without the lease"
        return self._given

    def _poisoned(self, poison_row: PoisonRow) -> Record:
        utterance, info = poison_row.utterance, self._job.info
        return Record.of_utterance(
            utterance,
            model=info.name,
            model_revision=info.revision,
            default_voice=info.default_voice,
            error=f"{poison_row.deaths} replicas died speaking this row; the last one said: {poison_row.cause}",
        )

    def _show(self, pool: Pool, telemetry: Telemetry) -> None:
        now = time.monotonic()
        states = pool.states()
        self._tracker.storing(*self._committer.pending)
        notice = ". ".join(filter(None, (self._committer.notice, self._planning_notice(now), pool.notice)))
        snapshot = self._tracker.snapshot(now, states, pool.num_deaths, notice)
        self._speaking_s = self._tracker.speaking_s(now)
        self._num_replicas, self._num_deaths = len(states), pool.num_deaths
        telemetry.observe(snapshot)
        if self._observe is not None:
            self._observe(snapshot)

    def _planning_notice(self, now_s: float) -> str:
        waited_s = now_s - self._hungry_at_s
        if waited_s < SLOW_S:
            return ""
        return (
            f"the replicas have waited for the corpus for {waited_s:.0f} s: its next rows are being read, or the store "
            "does not take their plan. See that input.uri and output.uri are near and well"
        )

    def result(self, complete: Complete) -> Result:
        """How the run ended."""
        return Result(
            output=self._job.spec.output.uri,
            task=self._job.spec.task,
            num_rows=complete.num_rows,
            num_ok=complete.num_ok,
            num_failed=complete.num_failed,
            audio_s=complete.audio_s,
            new_rows=self._tracker.rows_of_this_run,
            new_audio_s=self._tracker.audio_s_of_this_run,
            speaking_s=self._speaking_s,
            batches=self._tracker.batches,
            num_replicas=self._num_replicas,
            num_deaths=self._num_deaths,
            is_allowed=self._job.spec.failure.allows(complete.num_failed, complete.num_rows),
        )
