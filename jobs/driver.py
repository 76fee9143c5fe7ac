"""Who runs a job, and where: what is found in the output, the lease, the cluster and its replicas.

Guaranteed: everything that can be wrong with a job is said before a replica starts, and nothing is written without the
lease. What becomes of rows and parts is the `Run`'s business.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from ..cluster.crew import Borrowed, Spawned
from ..cluster.lease import Lease
from ..cluster.pool import Pool
from ..cluster.session import plan_replicas, session
from ..cluster.storage import Storage
from ..errors import OutputGone, SpecError, StorageMissing
from .committer import Committer
from .complete import Complete
from .identity import JobFile
from .job import PreparedJob, delete_output, open_output, prepare
from .result import Result
from .run import Observer, Run
from .spec import JobSpec
from .telemetry import Telemetry
from .trace import Trace, open_trace


def run(spec: JobSpec, *, overwrite: bool = False, observe: Observer | None = None, trace: str | None = None) -> Result:
    """Run a job to its end, or continue it. Raises JobError before any replica starts, RunStopped in mid-run.

    trace   a file for what each replica spoke when, as Chrome and Perfetto read it
    """
    begin = _Beginning.of(spec, overwrite=overwrite)
    if begin.complete is not None:
        return Run(begin.job, None, observe).result(begin.complete)
    with (
        _still_there(begin.storage),
        Lease.take(begin.storage) as lease,
        Committer(begin.storage, lease) as committer,
        open_trace(trace) as spans,
    ):
        if open_output(spec)[1] != begin.before:
            # Until the lease was there, another driver had it, and began or ended the output.
            begin = _Beginning.of(spec, overwrite=overwrite)
        return _run(spec, begin, committer, observe, spans)


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

    before   the job that the output holds; `found` is the one to be continued
    """

    storage: Storage
    before: JobFile | None
    found: JobFile | None
    job: PreparedJob
    complete: Complete | None

    @classmethod
    def of(cls, spec: JobSpec, *, overwrite: bool) -> _Beginning:
        """Raises JobError for everything that can be wrong with the job."""
        storage, before = open_output(spec)
        found = None if overwrite else before
        job = prepare(spec, storage, found, _known_device(spec, found) or "cpu")
        return cls(storage, before, found, job, Complete.read(storage) if found is not None else None)


def _run(
    spec: JobSpec, begin: _Beginning, committer: Committer, observe: Observer | None, trace: Trace | None
) -> Result:
    storage, found, job = begin.storage, begin.found, begin.job
    device = _known_device(spec, found)
    # What continues an output has its device, so its corpus is read once, here; anew, the cluster decides the device.
    this = Run(job, committer, observe) if found is not None else None
    if this is not None and not this.has_work:
        return this.result(this.complete())
    with session(spec.cluster.address) as resources:
        cluster = spec.cluster
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
        if this is None:
            if plan.device != job.model.device:
                job = prepare(spec, storage, found, plan.device)
            committer.lease.check()
            if begin.before is not None:
                delete_output(storage)
            job.begin()
            this = Run(job, committer, observe)
        if this.has_work:
            crew = borrowed or Spawned(plan, job.replica_config)
            with Pool(crew, job.replica_config, job.parts) as pool:
                this.speak_all(pool, Telemetry(spec.name), trace)
            this.sweep(pool)
        return this.result(this.complete())


def _known_device(spec: JobSpec, found: JobFile | None) -> str | None:
    """The device, where it does not depend on what the cluster has; an output stays with the one it began on."""
    if spec.model.device != "auto":
        return spec.model.device
    return found.device if found else None
