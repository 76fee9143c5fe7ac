"""The trace of a run, read back: what each replica spoke when, and how many rows were done at which time.

Guaranteed: two passes over the file, and memory that grows with the replicas shown, not with the attempts. Lines that
are no events (the file may end in the middle of one) are counted and left out.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ...errors import SpecError

MAX_REPLICAS = 40
"""Replicas in the timeline; the throughput has them all."""
NUM_BINS = 160
_MERGED_SHARE = 1 / 800
COUNTED = ("spoken", "copy")
OUTCOMES = (*COUNTED, "second", "handed back", "dropped", "died")
_MAX_LINE = 1 << 16
_MAX_S = 10**9


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a task, times in seconds since the first one was sent."""

    replica: int
    outcome: str
    num_rows: int
    began_s: float
    ended_s: float


@dataclass(slots=True)
class Bar:
    """Attempts of one replica and one outcome that follow each other closely."""

    began_s: float
    ended_s: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a trace says.

    Attributes:
        bars: By replica, for at most MAX_REPLICAS of them
        homes: Host and process of each replica shown
        num_replicas: All of them
        rows_per_s: Of NUM_BINS equal bins over `seconds`; attempts that count
        busy_share: Of the same bins: the share of all replicas that speak
        outcomes: Attempts by their outcome
        num_unread: Lines that are no events
        merged_s: Gaps shorter than this are not shown
    """

    seconds: float
    bars: dict[int, list[Bar]]
    homes: dict[int, str]
    num_replicas: int
    rows_per_s: list[float]
    busy_share: list[float]
    outcomes: Counter[str]
    num_unread: int
    merged_s: float


def read_trace(path: Path) -> Timeline:
    """Read the trace that `speechmill run --trace` wrote.

    Raises:
        SpecError: The file cannot be read, or holds no attempt
    """
    seconds, replicas, homes, num_unread = 0.0, set[int](), dict[int, str](), 0
    for event in _events(path):
        match event:
            case Attempt():
                seconds = max(seconds, event.ended_s)
                if len(replicas) < 1 << 16:
                    replicas.add(event.replica)
            case (replica, home):
                if len(homes) < 1 << 16:
                    homes[replica] = home
            case None:
                num_unread += 1
    if not replicas or not seconds:
        raise SpecError(f"--trace {path}: holds no attempt; `speechmill run JOB.yaml --trace FILE` writes a trace")
    shown = sorted(replicas)[:MAX_REPLICAS]
    made = Timeline(
        seconds,
        {replica: [] for replica in shown},
        {replica: homes.get(replica, "") for replica in shown},
        len(replicas),
        [0.0] * NUM_BINS,
        [0.0] * NUM_BINS,
        Counter(),
        num_unread,
        seconds * _MERGED_SHARE,
    )
    free_s: dict[int, float] = {}
    for event in _events(path):
        if isinstance(event, Attempt):
            _add(made, event, free_s)
    return made


def _add(timeline: Timeline, attempt: Attempt, free_s: dict[int, float]) -> None:
    """Add one attempt. A task is sent while the one before is spoken, so it begins when the replica is free."""
    began_s = min(max(attempt.began_s, free_s.get(attempt.replica, 0.0)), attempt.ended_s)
    free_s[attempt.replica] = max(attempt.ended_s, free_s.get(attempt.replica, 0.0))
    timeline.outcomes[attempt.outcome] += 1
    bin_s = timeline.seconds / NUM_BINS
    first = min(int(began_s / bin_s), NUM_BINS - 1)
    last = min(int(attempt.ended_s / bin_s), NUM_BINS - 1)
    rate = attempt.num_rows / max(attempt.ended_s - began_s, 1e-9) if attempt.outcome in COUNTED else 0.0
    for place in range(first, last + 1):
        inside_s = max(0.0, min(attempt.ended_s, (place + 1) * bin_s) - max(began_s, place * bin_s))
        timeline.rows_per_s[place] += rate * inside_s / bin_s
        timeline.busy_share[place] += inside_s / bin_s / timeline.num_replicas
    bars = timeline.bars.get(attempt.replica)
    if bars is None:
        return
    if bars and bars[-1].outcome == attempt.outcome and began_s - bars[-1].ended_s <= timeline.merged_s:
        bars[-1].ended_s = max(bars[-1].ended_s, attempt.ended_s)
    elif attempt.ended_s - began_s >= timeline.merged_s / 4 or attempt.outcome == "died":
        bars.append(Bar(began_s, attempt.ended_s, attempt.outcome))


def _events(path: Path) -> Iterator[Attempt | tuple[int, str] | None]:
    """Attempts, names of replicas, and None for lines that are neither."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_MAX_LINE):
                text = line.strip().rstrip(b",")
                if text not in (b"[", b"]", b""):
                    yield _event(text)
    except OSError as error:
        raise SpecError(f"--trace {path}: cannot be read: {error.strerror}") from error


def _event(text: bytes) -> Attempt | tuple[int, str] | None:
    try:
        event: Any = json.loads(text)
        replica, arguments = event["tid"], event["args"]
        if event["ph"] == "M":
            return _whole(replica), str(arguments["name"])[:80]
        outcome, began_us, lasted_us = event["cat"], event["ts"], event["dur"]
        if event["ph"] != "X" or outcome not in OUTCOMES:
            return None
        began_s, lasted_s = _seconds(began_us), _seconds(lasted_us)
        return Attempt(_whole(replica), outcome, _whole(arguments["rows"]), began_s, began_s + lasted_s)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError(f"{value!r:.40} is no number of rows or of a replica")
    return value


def _seconds(value: object) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r:.40} is no time")
    seconds = cast("float", value) / 1e6
    if not (0 <= seconds < _MAX_S and math.isfinite(seconds)):
        raise ValueError(f"{value!r:.40} is no time")
    return seconds
