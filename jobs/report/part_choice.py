"""Which manifests a report opens, decided by their names, in memory that does not grow with their number. Pure.

Guaranteed: the choice depends on the seed and on the names, not on their order. If the rows of all parts are no more
than allowed, all parts are chosen.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from ...actors.records.part_name import PartName
from ..output.totals import Totals

NUM_FAILED_PARTS = 64
NUM_EXTREME_PARTS = 4


@dataclass(frozen=True, slots=True)
class ChosenPart:
    """A part to be read.

    Attributes:
        is_random: It was drawn for the distributions; else it is read only for its failed, longest or shortest rows
        draw: A number that follows from the seed and the name; the smallest were drawn
    """

    part: PartName
    is_random: bool
    draw: int


class PartChoice:
    """Takes all parts that count, keeps few.

    Args:
        seed: Of the draw
        max_rows: About how many rows are read for the distributions; one part at least is
    """

    def __init__(self, seed: int, max_rows: int) -> None:
        self.totals, self.num_parts = Totals(), 0
        self._seed, self._max_rows = seed, max_rows
        self._drawn: list[tuple[int, str, PartName]] = []  # by the greatest draw
        self._drawn_rows = 0
        self._failed: list[tuple[float, str, PartName]] = []
        self._longest: list[tuple[float, str, PartName]] = []
        self._shortest: list[tuple[float, str, PartName]] = []

    def add(self, part: PartName) -> None:
        """Take one part."""
        self.totals = self.totals.plus(part.num_ok, part.num_failed, part.audio_ms / 1000, part.num_unspoken)
        self.num_parts += 1
        draw = draw_of(self._seed, part.key)
        heapq.heappush(self._drawn, (-draw, part.key, part))
        self._drawn_rows += _rows(part)
        while len(self._drawn) > 1 and self._drawn_rows - _rows(self._drawn[0][2]) >= self._max_rows:
            self._drawn_rows -= _rows(heapq.heappop(self._drawn)[2])
        if part.num_failed:
            _keep(self._failed, (-draw, part.key, part), NUM_FAILED_PARTS)
        if part.num_ok:
            mean_ms = part.audio_ms / part.num_ok
            _keep(self._longest, (mean_ms, part.key, part), NUM_EXTREME_PARTS)
            _keep(self._shortest, (-mean_ms, part.key, part), NUM_EXTREME_PARTS)

    @property
    def num_drawn_rows(self) -> int:
        """Rows of the parts that were drawn."""
        return self._drawn_rows

    @property
    def is_whole(self) -> bool:
        """Whether every part was drawn."""
        return len(self._drawn) == self.num_parts

    def chosen(self) -> Iterator[ChosenPart]:
        """The parts to read: those that were drawn, by their draw, then the others."""
        drawn = {key for _, key, _ in self._drawn}
        for draw, _, part in sorted(self._drawn, reverse=True):
            yield ChosenPart(part, True, -draw)
        others = {part.key: part for kept in (self._failed, self._longest, self._shortest) for _, _, part in kept}
        for key in sorted(others.keys() - drawn):
            yield ChosenPart(others[key], False, draw_of(self._seed, key))


def draw_of(seed: int, name: str) -> int:
    """64 bits that follow from the seed and a name."""
    return int.from_bytes(blake2b(f"{seed}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _rows(part: PartName) -> int:
    return part.num_ok + part.num_failed


def _keep(kept: list[tuple[float, str, PartName]], item: tuple[float, str, PartName], most: int) -> None:
    heapq.heappush(kept, item)
    if len(kept) > most:
        heapq.heappop(kept)
