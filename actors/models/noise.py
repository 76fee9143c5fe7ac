"""Seeded noise for every model: numbers that depend on where they are used, and on nothing else.

Guarantees that a number is a pure function of (row seed, segment, attempt, step, channel). There is no state and no
generator, so batch mates, slots, order and restarts change nothing; the integers that numbers are made of are the same
on every device and with every version of every library. Two ways, for two kinds of models:

- `uniform` and `normal` compute any number from its place. Codes are drawn by them, and so is the noise that a
  diffusion or flow starts from.
- `NoiseTable` copies complex normal numbers from the fixed table of `noise_table.py`, at places that are hashed there.

The mixing function of both is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, 2014).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .noise_table import FIRST, GOLDEN, SECOND, TABLE_SIZE, complex_normal
from .segment_seed import segment_seed  # noqa: F401  # pyright: ignore[reportUnusedImport]  # models import it from here

_WRAP = 1 << 64  # torch has no arithmetic on uint64: constants above 2**63 - 1 are written as negative numbers


def uniform(seeds: Tensor, steps: Tensor, channels: int) -> Tensor:
    """float32 [*steps.shape, channels] in 0 … 1, 1 not included.

    Args:
        seeds: int64 [rows], of `segment_seed`.
        steps: int64 [rows] or [rows, time]: which draw of its row.
        channels: Numbers of each step; of another count, each is another number.
    """
    # One bit less than float32 holds: times a sum it is still below the sum.
    return _bits(seeds, steps, channels).float() * 2.0**-23


def normal(seeds: Tensor, steps: Tensor, channels: int) -> Tensor:
    """float32 [*steps.shape, channels] of mean 0 and variance 1, between -5.8 and 5.8; arguments as `uniform` has them.

    By Box and Muller, whose functions a device may round in its own way: by a unit in the last place.
    """
    radius, angle = ((_bits(seeds, steps, 2 * channels).float() + 0.5) * 2.0**-23).chunk(2, -1)
    return (-2 * radius.log()).sqrt() * (2 * math.pi * angle).cos()


class NoiseTable:
    """Complex normal numbers on one device. `bins` is how many are taken at once."""

    def __init__(self, bins: int, device: torch.device) -> None:
        table = torch.from_numpy(complex_normal(TABLE_SIZE + bins)).to(device)
        self._windows = torch.view_as_real(table).view(-1).as_strided((TABLE_SIZE, 2 * bins), (2, 1))
        self._bins = bins

    def take(self, starts: Tensor) -> Tensor:
        """complex64 [batch, frames, bins] of unit variance per component, for starts int64 [batch, frames]."""
        batch, frames = starts.shape
        picked = self._windows.index_select(0, starts.reshape(-1))
        return torch.view_as_complex(picked.view(batch, frames, self._bins, 2))


def _bits(seeds: Tensor, steps: Tensor, channels: int) -> Tensor:
    """23 bits of each place: int64 [*steps.shape, channels]."""
    counter = (steps * channels)[..., None] + torch.arange(channels, device=steps.device)
    keys = _mix(seeds).view(-1, *[1] * (counter.dim() - 1))
    return _shift(_mix(keys + (counter + 1) * (GOLDEN - _WRAP)), 41)


def _mix(x: Tensor) -> Tensor:
    """64 bits to 64 bits, one to one. Products wrap around, as is meant."""
    x = (x ^ _shift(x, 30)) * (FIRST - _WRAP)
    x = (x ^ _shift(x, 27)) * (SECOND - _WRAP)
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """To the right, zeros coming in: torch's own shift keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
