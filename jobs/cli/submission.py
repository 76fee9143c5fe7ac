"""The commands about jobs on a cluster: `submit | list | logs | stop`.

Standard output holds the job's id and its log, standard error what is said about them; with --json, standard output
holds JSON lines alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..run.exit_status import ExitStatus
from .exits import reported, stop
from .options import JobFileArgument, JsonOption, RepairOption, RetryOption, RowsOption, SetOption, UpdateOption

if TYPE_CHECKING:
    from ..submission.handle import SubmittedJob
    from ..submission.outcome import Outcome
    from ..submission.record import JobRecord

STOP_PATIENCE_S = 60.0

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The job's id, as submit prints and list shows it.")]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The head's dashboard; by default RAY_API_SERVER_ADDRESS, or port 8265 here."),
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Show the log until the job ends.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="submit")(submit_job)
    app.command(name="list")(list_jobs)
    app.command(name="logs")(show_logs)
    app.command(name="stop")(stop_job)


def submit_job(
    job_file: JobFileArgument,
    overrides: SetOption = None,
    address: AddressOption = None,
    id: Annotated[str | None, typer.Option("--id", help="The job's id; by default its name and six digits.")] = None,
    follow: FollowOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and exit with the job's status.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete what the output holds first.")] = False,
    repair: RepairOption = False,
    update: UpdateOption = False,
    retry_failed: RetryOption = False,
    rows: RowsOption = None,
    installed: Annotated[
        bool, typer.Option("--installed", help="Run the speechmill that the cluster has; send none.")
    ] = False,
    entrypoint_num_cpus: Annotated[
        float | None, typer.Option(metavar="CORES", help="Reserve cores for the driver; it may leave the head then.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a job to a Ray cluster, where it runs whatever becomes of this machine. The same job again continues it."""
    with reported():
        from ..spec.job import JobSpec
        from ..submission.driver_options import DriverOptions
        from ..submission.submit import submit

        job, notes = submit(
            JobSpec.load(job_file, overrides),
            address,
            id=id,
            options=DriverOptions(overwrite, repair, update, retry_failed, rows),
            installed=installed,
            entrypoint_num_cpus=entrypoint_num_cpus,
        )
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        told = {"event": "submitted", "id": job.id, "address": job.address}
        print(json.dumps(told) if as_json else job.id, flush=True)
        if not (follow or wait):
            print(f"It runs at {job.address}. {_hints(job.id, address)}", file=sys.stderr)
            return
        _see_through(job, address, follow=follow, as_json=as_json)


def list_jobs(address: AddressOption = None, as_json: JsonOption = False) -> None:
    """The jobs that were submitted to a cluster, newest first."""
    with reported():
        from ..submission.head import Head

        jobs = Head(address).jobs()
        if as_json:
            print(json.dumps([asdict(job) for job in jobs]))
        else:
            _show(jobs, Console())


def show_logs(id: IdArgument, address: AddressOption = None, follow: FollowOption = False) -> None:
    """The log of a job; with --follow until it ends, and with its exit status."""
    with reported():
        from ..submission.handle import SubmittedJob

        job = SubmittedJob(id, address)
        if follow:
            _see_through(job, address, follow=True, as_json=False)
        print(job.logs(), end="")


def stop_job(id: IdArgument, address: AddressOption = None) -> None:
    """End a job. What is committed stays; submitting the same job continues it."""
    with reported():
        from ..submission.handle import SubmittedJob

        job = SubmittedJob(id, address)
        if not job.stop():
            print(f"{id} had ended: {job.status()}.", file=sys.stderr)
            return
        try:
            job.wait(STOP_PATIENCE_S)
        except TimeoutError:
            print(
                f"{id} was asked to stop, and has not ended yet; `speechmill list` shows when it has", file=sys.stderr
            )
            return
        record = job.record()
        output = record.output
        if record.status != "STOPPED":
            print(f"{id} had ended: {record.status}.", file=sys.stderr)
        else:
            print(
                f"Stopped {id}. What is committed in {output} stays; submit the same job to continue.", file=sys.stderr
            )


def _see_through(job: SubmittedJob, address: str | None, *, follow: bool, as_json: bool) -> None:
    """Show the log if asked, wait for the end, exit with the job's status. Ctrl-C leaves the job as it is."""
    try:
        if follow:
            for line in job.follow():
                print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
        outcome = job.outcome()
    except KeyboardInterrupt:
        stop(f"\n{job.id} goes on in the cluster. {_hints(job.id, address)}", ExitStatus.INTERRUPTED)
    _show_outcome(outcome, is_shown=follow and outcome.is_told, as_json=as_json)
    raise typer.Exit(outcome.exit_code)


def _show_outcome(outcome: Outcome, *, is_shown: bool, as_json: bool) -> None:
    result, error = outcome.result, outcome.error
    if as_json and result is not None:
        told = {"event": "result", **asdict(result), "rtfx": result.rtfx, "batch_fill": result.batch_fill}
        print(json.dumps(told))
    elif as_json:
        print(json.dumps({"event": "error", "error": type(error).__name__, "message": str(error)}))
    elif result is not None and not is_shown:
        from .tables import show_result

        show_result(result, Console())
    if error is not None and not is_shown:
        with reported():
            raise error


def _hints(id: str, address: str | None) -> str:
    at = "" if address is None else f" --address {address}"
    return f"See it: speechmill logs {id} --follow{at} · end it: speechmill stop {id}{at}"


def _show(jobs: list[JobRecord], console: Console) -> None:
    if not jobs:
        console.print("No job was submitted here, or the head has been started anew since.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "status", "started", "name", "output"):
        table.add_column(title, overflow="fold", no_wrap=title == "started")
    for job in jobs:
        code = f" ({job.exit_code})" if job.exit_code else ""
        started = f"{datetime.fromtimestamp(job.started_s).astimezone():%Y-%m-%d %H:%M}" if job.started_s else "–"
        table.add_row(*(Text(cell) for cell in (job.id, job.status + code, started, job.name, job.output)))
    console.print(table)
