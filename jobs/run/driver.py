"""One run from the job to its result: the state of the output, the lease, the cluster and its replicas.

Guaranteed: errors of a job are raised before a replica starts, and nothing is written without the lease. Rows and parts
are handled in `run.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ...actors.records.keys import MANIFEST_PREFIX
from ...cluster.lease.lease import Lease
from ...cluster.pool.pool import Pool
from ...cluster.pool.processes.source import ProcessSource
from ...cluster.session import session
from ...cluster.storage import Entry, Storage, open_storage
from ...cluster.storage.guard import guarded
from ...errors import OutputDamaged, OutputGone, SpeechmillError, StorageDenied, StorageFull, StorageMissing
from ..output.claim import Claim
from ..output.holdings import Holdings, counted_parts, lost_parts
from ..output.identity import JobFile
from ..output.ledger import Ledger, list_manifests
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog
from ..spec.job import JobSpec
from ..update.comparison import Comparison
from ..update.planner import UpdatePlanner
from ..verify import damaged_manifests
from .committer import Committer
from .completion import write_companions
from .prepare import ResolvedJob, open_output, prepare
from .progress import Snapshot
from .result import Result, RunFigures
from .run import Observer, Run
from .small_run import num_processes
from .trace import Trace, open_trace
from .update import Update, claim_update, compared


def run(
    spec: JobSpec,
    *,
    overwrite: bool = False,
    repair: bool = False,
    update: Update | None = None,
    observe: Observer | None = None,
    trace: str | None = None,
) -> Result:
    """Run a job to its end, or continue it.

    Args:
        overwrite: Begin the output anew; its present content does not count any more
        repair: Speak lost or damaged rows of a complete output again; without it they raise OutputDamaged
        update: Keep what still fits the corpus, and speak the rest; without it, a changed corpus is refused
        observe: Called with a snapshot in every step of the run
        trace: Path of a trace file for Chrome and Perfetto: when each replica spoke which task

    Raises:
        JobError: The job is wrong; no replica was started
        RunStopped: The run has ended early; the same command continues it
    """
    how: dict[str, Any] = {"overwrite": overwrite, "update": update}
    begin = _Beginning.of(spec, **how)
    if begin.is_complete and not repair:
        return _complete(begin)
    with (
        _still_there(begin.storage),
        Lease.take(begin.storage) as lease,
        open_trace(trace) as spans,
    ):
        if open_output(spec)[1] != begin.output:
            # Before this run got the lease, another driver had it, and began or completed the output.
            begin = _Beginning.of(spec, **how)
            if begin.is_complete and not repair:
                return _complete(begin)
        damaged = _damaged(begin, is_thorough=repair) if begin.found is not None else []
        if begin.is_complete and not damaged and not Holdings.of(begin.storage, _there(begin)).problems:
            if repair:
                _restore_companions(begin, lease)
            return _complete(begin)
        return _run(spec, begin, lease, damaged, observe, spans)


def _complete(begin: _Beginning) -> Result:
    """The result of a job that was complete before.

    Raises:
        OutputDamaged: Objects of the output are missing
    """
    output = _there(begin)
    holdings = Holdings.of(begin.storage, output)
    if holdings.problems:
        raise OutputDamaged(
            f"{begin.storage.uri} was complete and is damaged: {'; '.join(holdings.problems)}. `speechmill verify` "
            "names all that is wrong; run the same command with --repair to have it spoken again"
        )
    assert output.complete is not None
    return Result.of(begin.job.spec, output.complete, RunFigures())


def _restore_companions(begin: _Beginning, lease: Lease) -> None:
    """Write the card and `metadata.csv` of a complete output, where they are missing."""
    complete = _there(begin).complete
    if complete is not None:
        with guarded(lease.check):
            write_companions(begin.storage, complete, only_missing=True)


def _damaged(begin: _Beginning, *, is_thorough: bool) -> list[str]:
    """Keys of the manifests whose rows are spoken again.

    Args:
        is_thorough: Check the content of all objects; without it, only parts with no object at all are found
    """
    output = _there(begin)
    if is_thorough:
        return damaged_manifests(begin.storage, output)
    return [part.key for part in lost_parts(begin.storage, output)]


def _there(begin: _Beginning) -> OutputFile:
    assert begin.output is not None, "there is an output"
    return begin.output


@contextmanager
def _still_there(storage: Storage) -> Generator[None]:
    """Raise OutputGone in place of StorageMissing when the output disappears during the run: the job is not wrong."""
    try:
        yield
    except StorageMissing as error:
        try:
            storage.check(write=False)
        except StorageMissing as gone:
            raise OutputGone(
                f"{storage.uri} is gone since the run began: {gone}. When it is there again, run the same command: "
                "what it still holds is kept, the rest is spoken again"
            ) from error
        raise


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The state of an output when a run begins.

    Attributes:
        output: Its `job.json`; None if it has none
        found: The job to be continued; None if the run begins the output
        job: The job of this run
        update: How the output is updated by this run; None if it is not
    """

    storage: Storage
    output: OutputFile | None
    found: JobFile | None
    job: ResolvedJob
    update: Update | None = None

    @classmethod
    def of(cls, spec: JobSpec, *, overwrite: bool, update: Update | None) -> _Beginning:
        """Check the job and look at its output.

        Raises:
            JobError: Something is wrong with the job; nothing was started
        """
        try:
            storage, output = open_output(spec)
        except (StorageDenied, StorageFull):
            if not overwrite and (beginning := cls._of_complete(spec)) is not None:
                return beginning
            raise
        return cls._of(spec, storage, output, overwrite=overwrite, update=update)

    @classmethod
    def _of(
        cls, spec: JobSpec, storage: Storage, output: OutputFile | None, *, overwrite: bool, update: Update | None
    ) -> _Beginning:
        # A job without a committed part may be replaced by another job.
        is_bound = output is not None and (
            output.complete is not None
            or bool(output.root.earlier)
            or next(counted_parts(storage, output), None) is not None
        )
        found = output.job if output is not None and is_bound and not overwrite else None
        device = _known_device(spec, found) or "cpu"
        job = prepare(spec, storage, found, device, is_update=update is not None and update.is_corpus_new)
        begin = cls(storage, output, found, job, update if found is not None else None)
        # A corpus that looks the same is compared all the same: large files are known by samples of them.
        is_complete = output is not None and output.complete is not None
        is_update = update is not None and (
            begin.has_changed or update.retry_failed or bool(update.seeds) or is_complete
        )
        return begin if is_update else replace(begin, update=None)

    @property
    def has_changed(self) -> bool:
        """Whether the corpus is another one than that of the output."""
        return self.found is not None and self.found.identity.fingerprint != self.job.identity.fingerprint

    @property
    def is_complete(self) -> bool:
        """Whether the output belongs to this job and is complete."""
        is_complete = self.found is not None and self.output is not None and self.output.complete is not None
        return is_complete and self.update is None

    @classmethod
    def _of_complete(cls, spec: JobSpec) -> _Beginning | None:
        """The beginning of a run whose output is complete already, so that nothing has to be written; else None."""
        storage = open_storage(spec.output.uri, spec.output.s3.options())
        try:
            output = OutputFile.read(storage)
            if output is None or output.complete is None:
                return None
            return cls._of(spec, storage, output, overwrite=False, update=None)
        except SpeechmillError:
            return None  # the caller reports the denied write first


def _run(
    spec: JobSpec,
    begin: _Beginning,
    lease: Lease,
    damaged: Sequence[str],
    observe: Observer | None,
    trace: Trace | None,
) -> Result:
    with ExitStack() as stack:

        def opened(
            job: ResolvedJob, log: PlanLog, ledger: Ledger, claim: Claim, planner: UpdatePlanner | None = None
        ) -> Run:
            committer = stack.enter_context(Committer(begin.storage, lease, claim))
            return stack.enter_context(Run(job, log, ledger, claim, committer, observe, planner))

        comparison = None
        if begin.found is not None and (begin.update is not None or _there(begin).is_updated):
            comparison = compared(begin.job, _there(begin), damaged, begin.update)
            if _there(begin).complete is not None and comparison.is_same and not begin.has_changed:
                return _complete(begin)
        # A continued run has the device of its output, so the corpus is read here, once; a new one asks the cluster.
        run = None if begin.found is None else opened(*_resumed(begin, lease, damaged, comparison))
        if run is not None and not run.has_work():
            return run.complete()
        job, device = begin.job, _known_device(spec, begin.found)
        processes = num_processes(job, device)
        if processes is None:
            from .ray_replicas import RayReplicas  # Ray takes a second to import, and a small run does not need it

            waiting = None if observe is None else partial(_show_start, observe, spec)
            resources = stack.enter_context(session(spec.cluster.address, waiting=waiting))
            found = RayReplicas.of(spec, resources, device, is_continued=begin.found is not None)
            device, telemetry = found.device, found.telemetry
        else:
            found = telemetry = None
            device = "cpu"
        if run is None:
            if device != job.model.device:
                job = prepare(spec, begin.storage, None, device)
            claim = Claim.begin(begin.storage, lease, begin.output, job.job_file)
            run = opened(job, job.new_plan_log(), Ledger(), claim)
            if begin.output is not None:
                run.sweep_others()
        if run.has_work():
            config = job.replica_config
            source = ProcessSource(processes or 1, config) if found is None else found.source(config)
            with Pool(source, job.job_config, job.parts, stamp=run.stamp) as pool:
                run.speak_all(pool, telemetry, trace, "" if found is None else found.reason)
            run.sweep(pool)
        return run.complete()


def _show_start(observe: Observer, spec: JobSpec, notice: str) -> None:
    observe(Snapshot.starting(spec.task, notice))


def _resumed(
    begin: _Beginning, lease: Lease, damaged: Sequence[str], comparison: Comparison | None
) -> tuple[ResolvedJob, PlanLog, Ledger, Claim, UpdatePlanner | None]:
    """Claim an output to continue it: its job, its plan log, the ledger of its committed parts, the claim."""
    if comparison is not None:
        return claim_update(begin.job, _there(begin), lease, damaged, begin.update, comparison)
    log = begin.job.plan_log()
    ledger = Ledger(log.windows)
    listed = partial(_listed, begin.storage, len(log.windows))
    claim = Claim.resume(begin.storage, lease, _there(begin), damaged, listed, ledger.add)
    return begin.job, log, ledger, claim, None


def _listed(storage: Storage, num_windows: int, prefix: str) -> Iterator[Entry]:
    return list_manifests(storage, num_windows) if prefix == MANIFEST_PREFIX else storage.list(prefix)


def _known_device(spec: JobSpec, found: JobFile | None) -> str | None:
    """The device, if job or output fix it; None if it depends on the cluster. An output keeps its device."""
    if spec.model.device != "auto":
        return spec.model.device
    return found.device if found else None
