"""A run on the screen: one live block on a terminal, plain lines in a log, JSON lines for a program.

Each display is an observer of snapshots and a context manager; all of them write to standard error except JSON,
which is the command's output.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...cluster.pool.replica_state import ReplicaState, ReplicaStatus
from ..run.progress import Snapshot
from .judged import judged_dict, judged_line

PLAIN_EVERY_S = 10.0
MAX_REPLICAS_SHOWN = 8


class Display(Protocol):
    """What the command line shows a run with.

    Attributes:
        rows_committed: Of the last snapshot; None before the run has begun
    """

    rows_committed: int | None

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def __call__(self, snapshot: Snapshot) -> None:
        """Show this moment."""
        ...


def display_for(name: str, *, as_json: bool) -> Display:
    """The display that fits where the output goes."""
    if as_json:
        return JsonDisplay()
    console = Console(stderr=True)
    return LiveDisplay(name, console) if console.is_terminal else PlainDisplay(name)


class LiveDisplay:
    """One block that stays in place."""

    rows_committed: int | None = None

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._live = Live(Text(f"{name}: starting"), console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def __call__(self, snapshot: Snapshot) -> None:
        """Redraw the block."""
        self.rows_committed = _committed(snapshot)
        self._live.update(block(self._name, snapshot))


class PlainDisplay:
    """A line now and then, for a log."""

    rows_committed: int | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown_s, self._is_starting = float("-inf"), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, snapshot: Snapshot) -> None:
        """Print a line if the last one is old enough, so that a log stays short."""
        self.rows_committed = _committed(snapshot)
        is_first = self._is_starting and not snapshot.is_starting
        if is_first or time.monotonic() - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s, self._is_starting = time.monotonic(), snapshot.is_starting
            print(f"{self._name}: {summary(snapshot)}", file=sys.stderr, flush=True)


class JsonDisplay:
    """A JSON object a line, on the standard output of the moment that it is made."""

    rows_committed: int | None = None

    def __init__(self) -> None:
        self._stream = sys.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, snapshot: Snapshot) -> None:
        """Print the snapshot."""
        self.rows_committed = _committed(snapshot)
        print(json.dumps({"event": "progress", **as_dict(snapshot)}), file=self._stream, flush=True)


def _committed(snapshot: Snapshot) -> int | None:
    return None if snapshot.is_starting else snapshot.rows_committed


def summary(snapshot: Snapshot) -> str:
    """A snapshot as one line of text."""
    if snapshot.is_starting:
        return snapshot.notice or "starting"
    about = "" if snapshot.is_total_exact else "~"
    return (
        f"{snapshot.rows_done:,} / {about}{snapshot.rows_total:,} rows ({snapshot.rows_committed:,} committed), "
        f"{', '.join(_rate(snapshot, ' of audio'))}, fill {percent(snapshot.batch_fill)}, "
        f"{snapshot.num_failed:,} failed, {_out_of_memory(snapshot)}{clock(snapshot.eta_s)} left, "
        + replicas_line(snapshot)
        + (f"; {judged}" if (judged := judged_line(snapshot.gate)) else "")
        + (f"; {snapshot.notice}" if snapshot.notice else "")
    )


def as_dict(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as plain values."""
    return {
        "task": snapshot.task,
        "rows_done": snapshot.rows_done,
        "rows_committed": snapshot.rows_committed,
        "rows_total": snapshot.rows_total,
        "is_total_exact": snapshot.is_total_exact,
        "num_failed": snapshot.num_failed,
        "audio_s": round(snapshot.audio_s, 3),
        "elapsed_s": round(snapshot.elapsed_s, 3),
        "rtfx": round(snapshot.rtfx, 2),
        "rows_per_s": round(snapshot.rows_per_s, 2),
        "batch_fill": snapshot.batch_fill,
        "num_out_of_memory": snapshot.num_out_of_memory,
        "eta_s": snapshot.eta_s,
        "num_deaths": snapshot.num_deaths,
        "notice": snapshot.notice,
        **({"gate": judged_dict(snapshot.gate)} if snapshot.gate.num_judged else {}),
        "replicas": [_replica_dict(state) for state in snapshot.replicas],
    }


def block(name: str, snapshot: Snapshot) -> Group:
    """A snapshot as a block for a terminal."""
    if snapshot.is_starting:
        return Group(Text.assemble((name, "bold"), "  ", snapshot.notice or "starting"))
    total = max(1, snapshot.rows_total)
    about = "" if snapshot.is_total_exact else "~"
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(name, style="bold"),
        ProgressBar(total=total, completed=snapshot.rows_done, width=32),
        f"{snapshot.rows_done:,} / {about}{snapshot.rows_total:,} rows",
        Text(f"{snapshot.rows_committed:,} committed", style="dim"),
    )
    figures = Table.grid(padding=(0, 3))
    figures.add_row(
        *_rate(snapshot),
        f"batch fill {percent(snapshot.batch_fill)}",
        Text(f"failed {snapshot.num_failed:,}", style="red" if snapshot.num_failed else ""),
        f"left {clock(snapshot.eta_s)}",
        f"elapsed {clock(snapshot.elapsed_s)}",
    )
    replicas = Table.grid(padding=(0, 2))
    for state in snapshot.replicas[:MAX_REPLICAS_SHOWN]:
        replicas.add_row(*_replica_cells(state, snapshot.task))
    rest = Text(replicas_line(snapshot), style="dim")
    is_more = len(snapshot.replicas) > MAX_REPLICAS_SHOWN or snapshot.num_deaths
    notices = [_out_of_memory(snapshot).rstrip(", "), snapshot.notice]
    notice = [Text(text, style="yellow") for text in notices if text]
    judged = [Text(line, style="dim")] if (line := judged_line(snapshot.gate)) else []
    return Group(head, figures, *judged, replicas, *([rest] if is_more else []), *notice)


def replicas_line(snapshot: Snapshot) -> str:
    """How many replicas do what, and how many died."""
    counts = [(status, sum(r.status is status for r in snapshot.replicas)) for status in ReplicaStatus]
    text = ", ".join(f"{count} {status.value}" for status, count in counts if count)
    died = f", {snapshot.num_deaths} replaced" if snapshot.num_deaths else ""
    return f"replicas: {text or 'none'}{died}"


def audio_length(seconds: float) -> str:
    """Seconds of audio in the unit that reads best."""
    return f"{seconds / 3600:,.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def rows_rate(rows_per_s: float) -> str:
    """Rows per second, with as many digits as tell slow rates apart."""
    return f"{rows_per_s:,.0f} rows/s" if rows_per_s >= 100 else f"{rows_per_s:.3g} rows/s"


def percent(share: float | None) -> str:
    """A share as a percentage, a dash while unknown."""
    return "–" if share is None else f"{100 * share:.1f} %"


def clock(seconds: float | None) -> str:
    """Seconds as h:mm:ss, a dash while unknown."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _rate(snapshot: Snapshot, of: str = "") -> tuple[str, ...]:
    """How fast it goes, in figures that the task has."""
    if snapshot.task == "refine":
        return (rows_rate(snapshot.rows_per_s),)
    length = audio_length(snapshot.audio_s)
    return (f"{length}{of}" if of else f"audio {length}", f"RTFx {snapshot.rtfx:.0f}")


def _out_of_memory(snapshot: Snapshot) -> str:
    count = snapshot.num_out_of_memory
    return f"{count:,} out of memory and packed again, " if count else ""


def _replica_dict(state: ReplicaState) -> dict[str, Any]:
    return {
        "number": state.number,
        "host": state.home.host if state.home else None,
        "pid": state.home.pid if state.home else None,
        "status": state.status.value,
        "shard": state.shard_id,
        "rows": state.progress.rows,
        "rows_in_flight": state.rows_in_flight,
    }


def _replica_cells(state: ReplicaState, task: str) -> tuple[str, str, str, str, str]:
    done = state.progress
    synthesis_s = done.batches.synthesis_s
    rate = ""
    if synthesis_s > 0:
        is_text = task == "refine"
        rate = rows_rate(done.rows / synthesis_s) if is_text else f"RTFx {done.audio_s / synthesis_s:.0f}"
    return (f"  replica {state.number}", state.status.value, state.shard_id, f"{done.rows:,} rows", rate)
