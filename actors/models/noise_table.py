"""One fixed table of complex normal numbers, and the places where the frames of a row read it. Without torch.

A frame costs a copy in place of a thousand draws; two frames of a clip overlap in the table about as often as chance
has it. hibari and kokoro speak with it, and their audio is that of these numbers: with other ones they would need
another revision. What `noise.py` guarantees holds here, too; the mixing function is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TABLE_SIZE = 1 << 18
_TABLE_BITS = 18
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def table_starts(seeds: Sequence[int], segments: Sequence[int], num_frames: int) -> NDArray[np.int64]:
    """Where each frame of each segment reads the table: int64 [batch, num_frames], by the rows' own seeds."""
    golden = np.uint64(GOLDEN)
    keys = _mix(_mix(np.array(seeds, np.uint64) + golden) + np.array(segments, np.uint64) + np.uint64(1))
    steps = np.arange(1, num_frames + 1, dtype=np.uint64) * golden
    return (_mix(keys[:, None] + steps) >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)


def complex_normal(size: int) -> NDArray[np.complex64]:
    """Box-Muller over hashed counters, complex64 [size]."""
    counters = np.arange(1, 2 * size + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    uniforms = ((_mix(counters) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniforms[:size])), 2 * np.pi * uniforms[size:]
    return (radius * np.exp(1j * angle)).astype(np.complex64)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 bits to 64 bits, one to one. Products wrap around, as is meant."""
    value = (value ^ value >> np.uint64(30)) * np.uint64(FIRST)
    value = (value ^ value >> np.uint64(27)) * np.uint64(SECOND)
    return value ^ value >> np.uint64(31)
