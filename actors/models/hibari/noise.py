"""The noise of the unvoiced part of speech: complex normal numbers that depend on nothing but where they are used.

Guarantees that the noise of a bin is a pure function of (row seed, segment index, frame, bin): the same on every
device, in every batch and with every version of every library. A hash of the first three picks where in one fixed
table the frame's bins are read, which costs a copy per frame instead of 1,202 drawn numbers. The table holds 262,144
independent bins; two frames of a clip overlap in it about as often as chance has it, and then at other bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TABLE_BITS = 18
TABLE_SIZE = 1 << _TABLE_BITS
_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


class Noise:
    """The table on one device."""

    def __init__(self, bins: int, device: torch.device) -> None:
        table = torch.from_numpy(_table(TABLE_SIZE + bins)).to(device)
        self._windows = torch.view_as_real(table).view(-1).as_strided((TABLE_SIZE, 2 * bins), (2, 1))
        self._bins = bins

    def take(self, starts: Tensor) -> Tensor:
        """complex64 [batch, frames, bins] of unit variance per component, for starts int64 [batch, frames]."""
        batch, frames = starts.shape
        picked = self._windows.index_select(0, starts.reshape(-1))
        return torch.view_as_complex(picked.view(batch, frames, self._bins, 2))


def noise_starts(seeds: Sequence[int], indices: Sequence[int], num_frames: int) -> NDArray[np.int64]:
    """Where each frame of each segment reads the table: int64 [batch, num_frames]."""
    pairs = zip(seeds, indices, strict=True)
    keys = [_mix((_mix((seed + _GOLDEN) & _WORD) + index + 1) & _WORD) for seed, index in pairs]
    steps = np.arange(1, num_frames + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    mixed = _mix_array(np.array(keys, np.uint64)[:, None] + steps)
    return (mixed >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)


def _table(size: int) -> NDArray[np.complex64]:
    """Box-Muller over hashed counters, complex64 [size]."""
    counters = np.arange(1, 2 * size + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    uniform = ((_mix_array(counters) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:size])), 2 * np.pi * uniform[size:]
    return (radius * np.exp(1j * angle)).astype(np.complex64)


# The finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), for one
# number and for many.


def _mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _WORD
    return value ^ value >> 31


def _mix_array(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)
