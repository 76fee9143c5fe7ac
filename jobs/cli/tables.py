"""Results as tables for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...actors.batcher.budget import size
from .display import audio_length, clock, percent, rows_rate
from .judged import add_judged, add_verdicts

if TYPE_CHECKING:
    from ...actors.batcher.fit import Curve
    from ...actors.batcher.stats import BatchStats
    from ..dry_run.dry_run import Plan
    from ..output.status import Status
    from ..run.result import Result
    from ..verify.report import VerifyReport


def show_result(result: Result, console: Console) -> None:
    """The end of a run."""
    table = _table("run")
    table.add_row("rows", f"{result.num_rows:,}")
    is_text = result.task == "refine"
    table.add_row("refined" if is_text else "spoken", f"{result.num_ok:,}")
    table.add_row("failed", f"{result.num_failed:,}" + ("" if result.is_allowed else "  (more than allowed)"))
    if result.num_unspoken:
        table.add_row("with unspoken text", f"{result.num_unspoken:,}")
    add_verdicts(table, result.verdicts)
    if not is_text:
        table.add_row("audio", audio_length(result.audio_s))
    if result.speaking_s > 0 and is_text:
        table.add_row("this run", f"{result.new_rows:,} rows in {clock(result.speaking_s)}")
        table.add_row("speed", f"{rows_rate(result.rows_per_s)}, on {result.num_replicas} replicas")
    elif result.speaking_s > 0:
        table.add_row("this run", f"{audio_length(result.new_audio_s)} in {clock(result.speaking_s)}")
        table.add_row("RTFx", f"{result.rtfx:.0f} s of audio per second, on {result.num_replicas} replicas")
    _add_actual(table, result.batches)
    add_judged(table, result.gate, result.new_audio_s)
    if result.num_deaths:
        table.add_row("replicas replaced", f"{result.num_deaths}")
    table.add_row("output", Text(result.output))
    console.print(table)
    if result.num_failed:
        console.print('Failed rows are in the manifests with their reasons: "status": "failed".')
    if result.num_unspoken:
        console.print('What was left out stands in the manifests: "unspoken". To fail such rows: text.unspoken: fail.')


def show_plan(plan: Plan, console: Console, *, has_details: bool = False) -> None:
    """A job on paper. `has_details`: also what its batches are predicted to cost."""
    table = _table("plan")
    table.add_row("rows", f"{plan.num_rows:,}")
    if plan.changes is not None:
        changes = plan.changes
        table.add_row("kept", f"{changes.num_kept:,}")
        table.add_row("spoken", f"{changes.num_spoken:,}: {changes.num_changed:,} changed, {changes.num_added:,} new")
        table.add_row("removed", f"{changes.num_removed:,}")
    table.add_row("rejected", f"{plan.num_rejected:,}")
    if plan.num_rejected and not plan.is_allowed:
        table.add_row("", "more than failure.max_failed_rows allows: the run will end with 1")
    table.add_row("characters", f"{plan.num_chars:,}")
    if has_details:
        table.add_row("windows, shards", f"{plan.num_windows:,}, {plan.num_shards:,}")
    if plan.num_unspoken:
        table.add_row("with unspoken text", f"{'about ' * plan.is_sampled}{plan.num_unspoken:,}")
    if plan.judges:
        dear = f", {100 * plan.judged_share:g} % of the rows by those that cost much" if plan.judged_share < 1 else ""
        attempts = f"{plan.attempts} attempt{'s' if plan.attempts > 1 else ''} at most"
        table.add_row("judges", f"{', '.join(plan.judges)}; {attempts}{dear}")
        table.add_row("judging, about", f"{clock(plan.judge_s)} of CPU time")
    if plan.task == "speak":
        table.add_row("audio, about", audio_length(plan.audio_s))
    table.add_row("model", Text(plan.model))
    if plan.licence:
        table.add_row("licence of its weights", Text(plan.licence))
    replicas = f"{plan.num_replicas} {plan.device} replica{'s' if plan.num_replicas != 1 else ''}"
    table.add_row("time, about", f"{clock(plan.wall_s)} on {replicas}, by {plan.estimated_by}")
    if plan.sharing:
        table.add_row("sharing of a GPU", Text(plan.sharing))
    console.print(table)
    show_batches(plan, console)
    if plan.is_noncommercial:
        console.print(
            f"warning: the weights are licensed {plan.licence}: what they make is not for commercial use.",
            highlight=False,
            soft_wrap=True,
        )
    if has_details:
        show_batches(plan, console)
    for failure in plan.examples:
        console.print(f"rejected: {failure.reason}", markup=False, highlight=False, soft_wrap=True)
    for example in plan.unspoken_examples:
        console.print(f"unspoken: {example}", markup=False, highlight=False, soft_wrap=True)


def show_batches(plan: Plan, console: Console) -> None:
    """The batches of a plan: how they are chosen, what they will take, what they took."""
    batches = plan.batches
    if plan.is_stepwise:
        console.print(
            "batches: none; rows join and leave as they come and end, in as many slots as memory has room for."
        )
    elif batches is None:
        console.print(
            "batches: no profile of this model is known here; the first replica measures one (seconds), and keeps it. "
            "`plan --measure` does it now."
        )
    else:
        table = _table("batches")
        table.add_row("profile of", Text(batches.hardware))
        table.add_row("peak of a batch", f"{_curve(batches.peak, size)}; margin {percent(batches.margin)}")
        table.add_row("time of a batch", f"{_curve(batches.seconds, _seconds)}; error {percent(batches.seconds.error)}")
        table.add_row("memory", batches.budget)
        predicted = batches.predicted
        rows = f"{batches.fewest_rows:,} to {batches.most_rows:,} rows, {predicted.rows_per_batch:.1f} on average"
        table.add_row("batches", f"{predicted.num_batches:,} of {rows}")
        table.add_row("padding", percent(1 - (predicted.fill or 1)))
        table.add_row("largest peak", f"{size(predicted.predicted_bytes)} of {size(predicted.bound_bytes)} allowed")
        table.add_row("time in the model", clock(predicted.predicted_s))
        console.print(table)
    if plan.actual is not None:
        table = _table("batches of the run that completed this output")
        _add_actual(table, plan.actual)
        console.print(table)


def _add_actual(table: Table, batches: BatchStats) -> None:
    """Batches as they were, beside what was predicted of them."""
    if not batches.cells_total:
        return
    if batches.num_batches:
        table.add_row("batches", f"{batches.num_batches:,}, {batches.rows_per_batch:.1f} rows on average")
        table.add_row("batch fill", percent(batches.fill))
    else:
        table.add_row("slots that held a row", percent(batches.fill))
    if batches.predicted_s > 0:
        table.add_row("time in the model", f"{batches.synthesis_s:.1f} s; predicted {batches.predicted_s:.1f} s")
    if batches.bound_bytes:
        predicted = f"predicted {size(batches.predicted_bytes)}, " if batches.predicted_bytes else ""
        table.add_row(
            "memory at its peak", f"{size(batches.peak_bytes)}; {predicted}allowed {size(batches.bound_bytes)}"
        )
    if batches.num_out_of_memory:
        table.add_row("out of memory", f"{batches.num_out_of_memory:,} batches, packed again in smaller ones")


_PER = {
    "batch": "",
    "row": " · rows",
    "cell": " · cells",
    "square": " · rows · longest²",
    "row_cell": " · rows · cells",
}


def _curve(curve: Curve, unit: Callable[[float], str]) -> str:
    return " + ".join(unit(value) + _PER[name] for name, value in curve.coefficients.items()) or unit(0)


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} µs"


def show_status(status: Status, console: Console) -> None:
    """How far an output is."""
    table = _table("status")
    table.add_row("job", Text(status.job_name))
    open_state = f"being written by {status.driver}" if status.driver else "not complete; run the job to continue it"
    state = "damaged; run the job with --repair" if status.is_damaged else "complete"
    table.add_row("state", state if status.is_complete else open_state)
    table.add_row("rows committed", f"{status.num_ok + status.num_failed:,}")
    table.add_row("failed", f"{status.num_failed:,}")
    if status.num_unspoken:
        table.add_row("with unspoken text", f"{status.num_unspoken:,}")
    add_verdicts(table, status.verdicts)
    if status.task == "speak":
        table.add_row("audio", audio_length(status.audio_s))
    table.add_row("parts", f"{status.num_parts:,}")
    if status.generation > 1:
        kept = ", ".join(map(str, status.earlier))
        table.add_row("generation", f"{status.generation}" + (f"; readable too: {kept}" if kept else ""))
    table.add_row("fingerprint", status.fingerprint[:16])
    console.print(table)
    _list(console, "problem", status.problems, len(status.problems))


def show_verified(report: VerifyReport, console: Console) -> None:
    """What verifying found."""
    table = _table("verify")
    table.add_row("state", "complete" if report.is_complete else "not complete; run the job to continue it")
    table.add_row("rows", f"{report.num_ok + report.num_failed:,} ({report.num_failed:,} failed)")
    table.add_row("missing", f"{report.num_missing:,}")
    if report.task == "refine":
        table.add_row("texts read", f"{report.num_texts:,}")
    else:
        table.add_row("clips read", f"{report.num_clips:,}, {audio_length(report.audio_s)}, {size(report.audio_bytes)}")
    if report.num_compared is not None:
        table.add_row("corpus", f"{report.num_compared:,} rows compared")
    table.add_row("problems", f"{report.num_problems:,}")
    swept = f", {report.num_swept:,} deleted" if report.num_swept else ""
    table.add_row("orphans", f"{report.num_orphans:,} ({size(report.orphan_bytes)}){swept}")
    if report.num_earlier:
        table.add_row("of earlier generations", f"{report.num_earlier:,} objects ({size(report.earlier_bytes)})")
    console.print(table)
    _list(console, "problem", report.problems, report.num_problems)
    _list(console, "orphan", report.orphans, report.num_orphans)
    _list(console, "not ours", report.strays, report.num_strays)
    if report.sweep_refused:
        console.print(report.sweep_refused, markup=False)
    elif report.num_orphans and not report.num_swept:
        console.print("Orphans are left by attempts that were not committed; --sweep deletes them.")


def _list(console: Console, kind: str, lines: Sequence[str], total: int) -> None:
    for line in lines:
        console.print(f"{kind}: {line}", markup=False, highlight=False, soft_wrap=True)
    if total > len(lines):
        console.print(f"… and {total - len(lines):,} more")


def _table(title: str) -> Table:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    return table
