"""Segments into batches: similar lengths together, no batch over its cap. Pure and deterministic.

A batch has rows times its longest row as cells; cells without a token are padding. Batches are runs of the lengths in
descending order: swapping rows of two batches so that they become runs never makes either one longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import numpy as np

from ..records.utterance import Segment
from .fit import Array

Cap = Callable[[int], int]
"""The most rows of a batch, at least 1, by the length of its longest row. More length never allows more rows."""

BatchSeconds = Callable[[Array, int], Array]
"""Seconds of batches of these numbers of rows (float64 [n]), all of one longest length: float64 [n]."""

Pack = Callable[[Sequence[int]], list[list[int]]]
"""Indices of lengths in batches, longest first; each index exactly once."""


def pack_full(lengths: Sequence[int], cap: Cap) -> list[list[int]]:
    """As many rows in every batch as its cap allows."""
    order = descending(lengths)
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        end = start + cap(lengths[order[start]])
        batches.append(order[start:end])
        start = end
    return batches


def pack_fastest(lengths: Sequence[int], cap: Cap, seconds: BatchSeconds) -> list[list[int]]:
    """The batches that take the least time together: cut where padding costs more than another batch.

    Exact, by dynamic programming from the shortest row up. Among plans that take equally long, the first batch of the
    chosen one has the fewest rows.
    """
    order = descending(lengths)
    count = len(order)
    tables: dict[int, Array] = {}
    least = np.zeros(count + 1)  # seconds of all rows from here on
    taken = [0] * count
    for start in range(count - 1, -1, -1):
        longest = lengths[order[start]]
        table = tables.get(longest)
        if table is None:
            table = tables[longest] = seconds(np.arange(1.0, cap(longest) + 1), longest)
        rows = min(len(table), count - start)
        total = table[:rows] + least[start + 1 : start + 1 + rows]
        best = int(total.argmin())
        taken[start], least[start] = best + 1, total[best]
    batches: list[list[int]] = []
    start = 0
    while start < count:
        batches.append(order[start : start + taken[start]])
        start += taken[start]
    return batches


def descending(lengths: Sequence[int]) -> list[int]:
    """Indices of `lengths` from the longest to the shortest, equal ones in their order."""
    order: list[int] = np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist()
    return order


def pack_segments(segments: Iterable[Segment], pack: Pack, *, mixes_voices: bool) -> list[list[Segment]]:
    """Segments in batches; unless the model mixes voices, each batch has one voice."""

    def voice(segment: Segment) -> str:
        return "" if mixes_voices else segment.voice

    by_voice = groupby(sorted(segments, key=lambda s: (voice(s), s.row, s.index)), key=voice)
    return [
        [group[index] for index in batch]
        for group in (list(members) for _, members in by_voice)
        for batch in pack([segment.length for segment in group])
    ]


def num_cells(batch: Sequence[Segment]) -> tuple[int, int]:
    """(cells that hold a token, all cells) of a batch: their ratio is the batch fill."""
    filled = sum(segment.length for segment in batch)
    return filled, len(batch) * max((segment.length for segment in batch), default=0)
