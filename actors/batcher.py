"""Segments into batches: similar lengths together, no batch over the limit. Pure and deterministic.

A batch costs rows times its longest row, in cells; cells that no token fills are padding. Not known here: what a
cell costs in memory or time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from .models.base import BatchLimit
from .segment import Segment


def pack(lengths: Sequence[int], limit: BatchLimit) -> list[list[int]]:
    """Indices of `lengths` in batches, longest first; each index exactly once.

    A batch holds at most `limit.max_rows` rows and `limit.max_cells` cells (rows times longest). A single row
    longer than `max_cells` is a batch of its own: whether it fits is for the model to say.
    """
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and (len(batch) >= limit.max_rows or (len(batch) + 1) * longest > limit.max_cells):
            batches.append(batch)
            batch = []
        if not batch:
            longest = lengths[index]
        batch.append(index)
    return [*batches, batch] if batch else batches


def pack_segments(segments: Iterable[Segment], limit: BatchLimit) -> list[list[Segment]]:
    """Segments in batches of one voice each, under the limit."""
    by_voice = groupby(sorted(segments, key=lambda s: (s.voice, s.row, s.index)), key=lambda s: s.voice)
    return [
        [group[index] for index in batch]
        for group in (list(members) for _, members in by_voice)
        for batch in pack([segment.length for segment in group], limit)
    ]


def num_cells(batch: Sequence[Segment]) -> tuple[int, int]:
    """(cells that hold a token, cells in all) of a batch: their ratio is the batch fill."""
    filled = sum(segment.length for segment in batch)
    return filled, len(batch) * max((segment.length for segment in batch), default=0)
