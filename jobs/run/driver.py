"""One run from the job to its result: what the output holds, the lease, the cluster and its replicas.

Guaranteed: everything that can be wrong with a job is said before a replica starts, and nothing is written without the
lease. Not known here: what becomes of rows and parts (`run.py`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from ...actors.records.keys import MANIFEST_PREFIX
from ...cluster.lease.lease import Lease
from ...cluster.pool.pool import Pool
from ...cluster.pool.replica_source import Borrowed, Spawned
from ...cluster.session import ReplicaPlan, Resources, plan_replicas, session
from ...cluster.storage import Entry, Storage, open_storage
from ...errors import OutputDamaged, OutputGone, SpecError, SpeechmillError, StorageDenied, StorageFull, StorageMissing
from ..output.claim import Claim
from ..output.holdings import Holdings, counted_parts, lost_parts
from ..output.identity import JobFile
from ..output.ledger import Ledger, list_manifests
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog
from ..spec.job import JobSpec
from ..verify import damaged_manifests
from .committer import Committer
from .metrics import Telemetry
from .prepare import ResolvedJob, open_output, prepare
from .result import Result, RunFigures
from .run import Observer, Run
from .trace import Trace, open_trace


def run(
    spec: JobSpec,
    *,
    overwrite: bool = False,
    repair: bool = False,
    observe: Observer | None = None,
    trace: str | None = None,
) -> Result:
    """Run a job to its end, or continue it.

    Args:
        overwrite: Begin the output anew: nothing that it holds counts from then on
        repair: Speak again what a complete output has lost, or holds damaged; otherwise that raises OutputDamaged
        trace: A file for what each replica spoke when, as Chrome and Perfetto read it

    Raises:
        JobError: The job is wrong; no replica was started
        RunStopped: The run has ended early; the same command continues it
    """
    begin = _Beginning.of(spec, overwrite=overwrite)
    if begin.is_complete and not repair:
        return _complete(begin)
    with (
        _still_there(begin.storage),
        Lease.take(begin.storage) as lease,
        open_trace(trace) as spans,
    ):
        if open_output(spec)[1] != begin.output:
            # Until the lease was there, another driver had it, and began or ended the output.
            begin = _Beginning.of(spec, overwrite=overwrite)
            if begin.is_complete and not repair:
                return _complete(begin)
        damaged = _damaged(begin, is_thorough=repair) if begin.found is not None else []
        if begin.is_complete and not damaged and not Holdings.of(begin.storage, _there(begin)).problems:
            return _complete(begin)
        return _run(spec, begin, lease, damaged, observe, spans)


def _complete(begin: _Beginning) -> Result:
    """The result of a job that was complete before.

    Raises:
        OutputDamaged: Where something has gone missing since
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


def _damaged(begin: _Beginning, *, is_thorough: bool) -> list[str]:
    """Keys of the manifests whose rows are spoken again: of which nothing is stored, or (if thorough) not rightly."""
    output = _there(begin)
    if is_thorough:
        return damaged_manifests(begin.storage, output)
    return [part.key for part in lost_parts(begin.storage, output)]


def _there(begin: _Beginning) -> OutputFile:
    assert begin.output is not None, "there is an output"
    return begin.output


@contextmanager
def _still_there(storage: Storage) -> Generator[None]:
    """An output that goes away while it is written is no fault of the job: OutputGone, in place of StorageMissing."""
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
    """What a run finds.

    Attributes:
        output: What is there, if anything is; `found` is the job to be continued
    """

    storage: Storage
    output: OutputFile | None
    found: JobFile | None
    job: ResolvedJob

    @classmethod
    def of(cls, spec: JobSpec, *, overwrite: bool) -> _Beginning:
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
        return cls._of(spec, storage, output, overwrite=overwrite)

    @classmethod
    def _of(cls, spec: JobSpec, storage: Storage, output: OutputFile | None, *, overwrite: bool) -> _Beginning:
        # A job that never committed anything binds no other: its file may be replaced.
        is_bound = output is not None and (
            output.complete is not None or next(counted_parts(storage, output), None) is not None
        )
        found = output.job if output is not None and is_bound and not overwrite else None
        return cls(storage, output, found, prepare(spec, storage, found, _known_device(spec, found) or "cpu"))

    @property
    def is_complete(self) -> bool:
        """Whether it is to be continued, and nothing is left to be done."""
        return self.found is not None and self.output is not None and self.output.complete is not None

    @classmethod
    def _of_complete(cls, spec: JobSpec) -> _Beginning | None:
        """What a run finds in an output of this job that is complete, so that nothing has to be written; else None."""
        storage = open_storage(spec.output.uri, spec.output.s3.options())
        try:
            output = OutputFile.read(storage)
            if output is None or output.complete is None:
                return None
            return cls._of(spec, storage, output, overwrite=False)
        except SpeechmillError:
            return None  # that nothing can be written is what has to be said first


def _run(
    spec: JobSpec,
    begin: _Beginning,
    lease: Lease,
    damaged: Sequence[str],
    observe: Observer | None,
    trace: Trace | None,
) -> Result:
    with ExitStack() as stack:

        def opened(job: ResolvedJob, log: PlanLog, ledger: Ledger, claim: Claim) -> Run:
            committer = stack.enter_context(Committer(begin.storage, lease, claim))
            return stack.enter_context(Run(job, log, ledger, claim, committer, observe))

        # What continues an output has its device, so its corpus is read once, here; else the cluster decides it.
        run = None if begin.found is None else opened(*_resumed(begin, lease, damaged))
        if run is not None and not run.has_work():
            return run.complete()
        resources = stack.enter_context(session(spec.cluster.address))
        source, device = _source(spec, resources, begin.found)
        job = begin.job
        if run is None:
            if device != job.model.device:
                job = prepare(spec, begin.storage, None, device)
            claim = Claim.begin(begin.storage, lease, begin.output, job.job_file)
            run = opened(job, job.new_plan_log(), Ledger(), claim)
            if begin.output is not None:
                run.sweep_others()
        if run.has_work():
            source = source if isinstance(source, Borrowed) else Spawned(source, job.replica_config)
            with Pool(source, job.job_config, job.parts, stamp=run.stamp) as pool:
                run.speak_all(pool, Telemetry(spec.name), trace)
            run.sweep(pool)
        return run.complete()


def _resumed(begin: _Beginning, lease: Lease, damaged: Sequence[str]) -> tuple[ResolvedJob, PlanLog, Ledger, Claim]:
    """Claim an output to go on with it: its job, its plan, and what is committed."""
    log = begin.job.plan_log()
    ledger = Ledger(log.windows)
    listed = partial(_listed, begin.storage, len(log.windows))
    claim = Claim.resume(begin.storage, lease, _there(begin), damaged, listed, ledger.add)
    return begin.job, log, ledger, claim


def _listed(storage: Storage, num_windows: int, prefix: str) -> Iterator[Entry]:
    return list_manifests(storage, num_windows) if prefix == MANIFEST_PREFIX else storage.list(prefix)


def _source(spec: JobSpec, resources: Resources, found: JobFile | None) -> tuple[Borrowed | ReplicaPlan, str]:
    """Where the replicas come from, and the device that they have."""
    cluster, device = spec.cluster, _known_device(spec, found)
    if found is not None and device == "cuda" and not resources.gpus and resources.is_local:
        raise SpecError(f"{spec.output.uri} was begun on GPUs and goes on only there; this machine has none")
    borrowed = Borrowed(cluster.service) if cluster.replicas == "service" else None
    plan = plan_replicas(
        resources,
        "auto" if borrowed else cluster.replicas,
        borrowed.device if borrowed else device or "auto",
        cluster.gpus_per_replica,
        cluster.cpus_per_replica,
    )
    return borrowed or plan, plan.device


def _known_device(spec: JobSpec, found: JobFile | None) -> str | None:
    """The device, where it does not depend on what the cluster has; an output stays with the one it began on."""
    if spec.model.device != "auto":
        return spec.model.device
    return found.device if found else None
