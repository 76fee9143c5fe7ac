"""Sending a job: checked here first, then what it needs, then the job.

Guaranteed: a wrong job is said before anything is sent. An output that another job on this head is about to write is
said here as well; of any other writer the lease tells the driver.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from importlib.metadata import version

from ...errors import OutputBusy, SpecError
from ..run.update import Update
from ..spec.job import JobSpec
from .driver_options import AS_IT_IS, DriverOptions
from .handle import SubmittedJob
from .head import Head
from .package import entrypoint, runtime_env
from .record import JobRecord, labels_of
from .request import SubmissionRequest, id_of, request_of


def submit(
    spec: JobSpec,
    address: str | None = None,
    *,
    id: str | None = None,
    options: DriverOptions = AS_IT_IS,
    installed: bool = False,
    entrypoint_num_cpus: float | None = None,
) -> tuple[SubmittedJob, tuple[str, ...]]:
    """Send a job to the head of a cluster.

    Args:
        spec: The job.
        address: The head's; None for that of the environment.
        id: A name of the user's for the job; None for one of `spec.name` and random digits.
        options: What the run does with an output that is there; a file of rows lies here.
        installed: Run the speechmill that the cluster has, send none.
        entrypoint_num_cpus: Cores that Ray reserves for the driver; with any, it may run on another node than the head.

    Returns:
        Its handle, and what the user should know, a line each.

    Raises:
        SpecError: A key means something else in the cluster, or the options do not fit together.
        ModelError: There is no such model.
        JobError: The head cannot take it.
        OutputBusy: A job on the head writes the output.
    """
    job_id = id_of(spec.name, id, secrets.token_hex(3))
    if entrypoint_num_cpus is not None and not 0 <= entrypoint_num_cpus < float("inf"):
        raise SpecError(f"--entrypoint-num-cpus is {entrypoint_num_cpus:g}; it has to be a number of cores, 0 or more")
    how = Update.asked(
        update=options.update, retry_failed=options.retry_failed, rows=options.rows, overwrite=options.overwrite
    )
    request_of(spec, lambda: True)  # what is wrong wherever the job runs, said before the head is asked
    head = Head(address)
    request = request_of(spec, head.sees_this_machine_only)
    _refuse_taken(job_id, request, head)
    rows = None if how is None else how.rows
    with runtime_env(request.job, with_speechmill=not installed, rows=rows) as env:
        labels = labels_of(spec, request.job, version("speechmill"))
        head.submit(job_id, entrypoint(options), env, labels, entrypoint_num_cpus)
    return SubmittedJob.of(job_id, head), request.notes


def _refuse_taken(id: str, request: SubmissionRequest, head: Head) -> None:
    if id in head.ids():
        raise SpecError(f"--id {id}: the head at {head.address} has a job of this id; choose another, or none")
    output = request.job["output"]["uri"]
    writer = next((job for job in head.jobs() if job.writes(output)), None)
    if writer is not None:
        raise OutputBusy(
            f"{output} is written by job {writer.id} ({_since(writer)}): `speechmill logs {writer.id} --follow` shows "
            f"it, `speechmill stop {writer.id}` ends it"
        )


def _since(job: JobRecord) -> str:
    when = f" since {datetime.fromtimestamp(job.started_s, UTC):%Y-%m-%d %H:%M} UTC" if job.started_s else ""
    return f"{job.status}{when}"
