"""Uniform numbers out of a counter: what a row draws depends on its seed, its step and the codebook, on nothing else.

No state and no generator, so batch mates, slots, order and devices cannot change a draw: integers are exact everywhere.
The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)


def segment_seed(seed: int, index: int, task: str) -> int:
    """Of all that is drawn for one segment: another for each, or the pieces of a row would begin alike."""
    digest = hashlib.blake2b(f"{seed}/{index}/{task}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def uniform(seeds: Tensor, steps: Tensor, num_codebooks: int) -> Tensor:
    """float32 [rows, codebooks] in 0 … 1, 1 not included.

    seeds, steps   int64 [rows]: of each row, and how often it has drawn before
    """
    books = torch.arange(num_codebooks, device=seeds.device)
    counter = (steps * num_codebooks)[:, None] + books
    mixed = _mix(_mix(seeds)[:, None] + (counter + 1) * _GOLDEN)
    # One bit less than float32 holds: times a sum it is still below the sum.
    return _shift(mixed, 41).float() * 2.0**-23


def _mix(x: Tensor) -> Tensor:
    """64 bits to 64 bits, one to one. Products wrap around, as is meant."""
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """To the right, zeros coming in: torch's own shift keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
