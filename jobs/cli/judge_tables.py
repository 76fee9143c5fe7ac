"""The result of a judging, or of a calibration, for a person."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..corpus.printable import printable
from ..judging.calibrating import CalibrationSummary
from ..judging.summary import BadClip, JudgingSummary
from .display import audio_length, clock, percent

_SHOWN = 120


def show_judging(summary: JudgingSummary, console: Console) -> None:
    """Counts, what was rejected for what, costs, and the worst clips."""
    table = Table(title="judge", show_header=False)
    num = max(1, summary.num_clips)
    table.add_row("clips", f"{summary.num_clips:,}")
    table.add_row("passed", f"{summary.num_passed:,}")
    table.add_row("rejected", f"{summary.num_rejected:,}  ({percent(summary.num_rejected / num)})")
    table.add_row("unheard", f"{summary.num_unheard:,}")
    if summary.num_failed:
        table.add_row("rows without a clip", f"{summary.num_failed:,}  (failed; not judged)")
    table.add_row("audio", f"{audio_length(summary.audio_s)}, of which {audio_length(summary.rejected_s)} rejected")
    for kind, number in summary.rejections.items():
        table.add_row(f"  {kind}", f"{number:,}")
    for judge, number in summary.unheard.items():
        table.add_row(f"  unheard by {judge}", f"{number:,}")
    table.add_row("this run", f"{summary.num_heard:,} clips in {clock(summary.wall_s)}")
    if summary.costs:
        costs = ", ".join(f"{name} {cost:.5f}" for name, cost in summary.costs.items())
        table.add_row("seconds per second of audio", Text(costs))
    console.print(table)
    console.print("Scores:", summary.output, markup=False, highlight=False, soft_wrap=True)
    _show_worst(summary.worst, console)
    if summary.num_rejected:
        console.print("To be spoken again, as input.uri of a job:", summary.again, markup=False, soft_wrap=True)
        if not summary.varies:
            line = f"Another seed of {summary.model} has the same words, length and melody: what the model itself"
            console.print(f"{line} got wrong needs another text or speed.", markup=False, soft_wrap=True)


def show_calibration(summary: CalibrationSummary, console: Console) -> None:
    """Thresholds, costs, and the clips farthest out."""
    table = Table(title="calibration", show_header=False)
    table.add_row("clips", f"{summary.num_clips:,}, {audio_length(summary.audio_s)}")
    if summary.num_left_out:
        table.add_row("cannot be heard", f"{summary.num_left_out:,}")
    for name, body in summary.judges.items():
        found = body.get("thresholds")
        shown = ", ".join(f"{key} {value:.4g}" for key, value in found.items()) if isinstance(found, dict) else ""
        table.add_row(Text(name), Text(shown or "as before: too few clips for thresholds"))
    for name, number in summary.num_rejected.items():
        cost = f"{summary.costs.get(name, 0.0):.5f} s per second of audio"
        table.add_row(Text(f"{name} rejects"), f"{number:,} of the sample; {cost}")
    console.print(table)
    console.print("Written:", summary.file, markup=False, highlight=False, soft_wrap=True)
    _show_worst(summary.worst, console)


def _show_worst(clips: Iterable[BadClip], console: Console) -> None:
    """Said, heard, where: so that a person can tell bad speech from a bad ear."""
    for number, clip in enumerate(clips):
        if not number:
            console.print("The farthest out, the worst first:")
        lines = [f"said   {printable(clip.said, _SHOWN)}"]
        lines += [f"heard  {printable(clip.heard, _SHOWN)}"] * bool(clip.heard)
        lines += [f"why    {printable(', '.join(clip.reasons), _SHOWN)}"] * bool(clip.reasons)
        lines += [f"clip   {printable(clip.audio, 400)}"]
        shown = "\n       ".join([f"{number + 1:3}  {printable(clip.id, 60)}", *lines])
        console.print(shown, markup=False, highlight=False, soft_wrap=True)
