"""A report of an output: read, rendered, written to one file.

Guaranteed: the file is written whole or not at all, and the output is not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ...cluster.storage import Storage, open_storage
from ...errors import SpecError
from .charts import require_matplotlib
from .collect import MAX_ROWS, Collected, collect
from .page import render
from .trace_file import Timeline, read_trace


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was made.

    Attributes:
        page: HTML as UTF-8
        num_read: Rows that the distributions are made of
        num_problems: What is missing or damaged in the output
    """

    page: bytes
    num_rows: int
    num_read: int
    num_clips: int
    num_problems: int


def make_report(
    storage: Storage,
    *,
    seed: int = 0,
    max_rows: int = MAX_ROWS,
    trace: str | None = None,
    is_served: bool = False,
    now: datetime | None = None,
) -> Report:
    """Make the page of an output.

    Args:
        storage: Where the output is
        seed: Of the rows that are drawn
        max_rows: About how many rows the distributions are made of
        trace: File of `speechmill run --trace`
        is_served: For `report --serve`
        now: When it is made

    Raises:
        SpecError: matplotlib is missing, or the trace is none
        StorageMissing: There is no output
        JobError: `job.json` is damaged
    """
    require_matplotlib()
    timeline: Timeline | None = read_trace(Path(trace)) if trace is not None else None
    made: Collected = collect(storage, seed, max_rows)
    page = render(
        made,
        made_at=f"{(now or datetime.now(UTC)).astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        version=version("speechmill"),
        seed=seed,
        timeline=timeline,
        is_served=is_served,
    )
    num_clips = sum(bool(sound.uri) for sound in made.sounds.values())
    return Report(page, made.choice.totals.num_rows, made.summary.num_rows, num_clips, made.num_problems)


def write_page(page: bytes, target: str) -> None:
    """Write the page to a local file or an s3:// URI, whole or not at all.

    Raises:
        SpecError: The name is a folder's
        StorageDenied: The store or the folder refuses it
        StorageFull: There is no room
    """
    folder, _, name = target.rpartition("/")
    if not name or (not target.startswith("s3://") and Path(target).is_dir()):
        raise SpecError(f"--output {target} is a folder; name a file, as in report.html")
    open_storage(folder or ("/" if target.startswith("/") else ".")).put(name, page)
