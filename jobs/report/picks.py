"""The few rows that a page shows: drawn, longest, shortest, worst, failed. Pure.

Guaranteed: the picks depend on the seed and on the rows, not on their order; memory is that of the picks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...actors.records.record import Record
from .part_choice import draw_of
from .score_limits import ScoreLimit

MAX_CLIPS = 60
LONGEST = SHORTEST = 8
WORST = FAILED = 12
MAX_SCORES = 12
"""Names of scores that are followed; a manifest could hold a new one in every row."""
_LOW_IS_WORSE = ("mos", "similarity", "snr", "speaker", "confidence", "score", "logprob", "probability")


@dataclass(frozen=True, slots=True)
class Pick:
    """A row of the page, and the groups that it was picked for, as in "longest"."""

    record: Record
    groups: tuple[str, ...]


class Best:
    """The `most` records with the greatest value; of equal ones, those of the lowest row."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, int, Record]] = []

    def add(self, value: float, record: Record) -> None:
        """Take a record."""
        item = (value, -record.row, record)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, item)
        elif self._kept and item[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, item)

    def __iter__(self) -> Iterator[Record]:
        """The greatest first."""
        return (record for _, _, record in sorted(self._kept, key=lambda item: item[:2], reverse=True))


class Picks:
    """Takes records, keeps those that are shown."""

    def __init__(self, seed: int, limits: Mapping[str, ScoreLimit] | None = None) -> None:
        """Take records.

        Args:
            seed: Of the random ones
            limits: Of the scores of the job's judges; where there are any, no other scores are followed
        """
        self._seed, self._limits = seed, limits or {}
        self._drawn = Best(MAX_CLIPS)
        self._longest, self._shortest = Best(LONGEST), Best(SHORTEST)
        self._failed, self._rejected = Best(FAILED), Best(FAILED)
        self._worst: dict[str, Best] = {}

    def add(self, record: Record, *, is_drawn: bool) -> None:
        """Take a record; `is_drawn` if it may be among those of the random group."""
        chance = -float(draw_of(self._seed, f"{record.row}") >> 11)
        if record.status == "failed":
            self._failed.add(chance, record)
            return
        if is_drawn:
            self._drawn.add(chance, record)
        if record.duration_s is None:
            return
        self._longest.add(record.duration_s, record)
        self._shortest.add(-record.duration_s, record)
        if getattr(record, "verdict", None) == "rejected":
            self._rejected.add(chance, record)
        for name, score in (record.scores or {}).items():
            if self._limits and name not in self._limits:
                continue
            if name not in self._worst and len(self._worst) < MAX_SCORES:
                self._worst[name] = Best(WORST)
            if name in self._worst:
                self._worst[name].add(-score if self._is_low_worse(name) else score, record)

    @property
    def worst_by(self) -> Mapping[str, str]:
        """The scores by which rows were picked, and which end counts as worst: "lowest" or "highest"."""
        return {name: "lowest" if self._is_low_worse(name) else "highest" for name in self._worst}

    def _is_low_worse(self, name: str) -> bool:
        return self._limits[name].is_lower if name in self._limits else is_low_worse(name)

    def picks(self) -> list[Pick]:
        """At most MAX_CLIPS rows, each once, of the groups in turn; random ones fill what the others leave."""
        groups: dict[int, list[str]] = {}
        places: dict[int, tuple[int, int]] = {}
        records: dict[int, Record] = {}

        def take(name: str, some: Iterator[Record], most: int) -> None:
            for record, place in zip(some, range(most), strict=False):
                records[record.row] = record
                places.setdefault(record.row, (place, len(places)))
                groups.setdefault(record.row, []).append(name)

        take("failed", iter(self._failed), FAILED)
        take("rejected", iter(self._rejected), FAILED)
        for name, worst in self._worst.items():
            take(f"worst {name}", iter(worst), max(1, WORST // len(self._worst)))
        take("longest", iter(self._longest), LONGEST)
        take("shortest", iter(self._shortest), SHORTEST)
        for place, record in enumerate(self._drawn):
            if record.row in records:
                groups[record.row].append("random")
            elif len(records) < MAX_CLIPS:
                take("random", iter((record,)), 1)
                places[record.row] = place, -1
        return [Pick(records[row], tuple(groups[row])) for row in sorted(records, key=lambda row: places[row])]


def is_low_worse(score: str) -> bool:
    """Whether a low value of the score of that name is the bad one; of an unknown one, a high value counts as bad."""
    return any(word in score.lower() for word in _LOW_IS_WORSE)
