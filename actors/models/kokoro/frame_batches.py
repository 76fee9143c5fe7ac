"""Rows packed for the decoder by their frames, once those are known. Pure.

Guarantees that every row is in one batch, that a batch has one row or stays within its cells (rows times the longest),
and that the same lengths are packed alike.
"""

from __future__ import annotations

from collections.abc import Sequence


def frame_batches(num_frames: Sequence[int], max_cells: int) -> list[list[int]]:
    """Positions of rows, longest first, in batches of at most `max_cells` frames, padding included."""
    batches: list[list[int]] = []
    for row in sorted(range(len(num_frames)), key=lambda row: (-num_frames[row], row)):
        if batches and (len(batches[-1]) + 1) * num_frames[batches[-1][0]] <= max_cells:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
