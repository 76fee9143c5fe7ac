"""Which hashes were surely never added: a Bloom filter of one 64-bit word a hash, in numpy.

Guaranteed: `may_hold` is never False for a hash that was added; memory is that of the words, whatever is added.
With eight bits for each hash, about 4 % of those never added are let through, with twenty about 0.3 %.
Source: Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters" (2007), blocked filters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_PAIRS = np.asarray([1 << (pair & 63) | 1 << (pair >> 6) for pair in range(1 << 12)], np.uint64)
"""Words with two bits set (or one), for each twelve bits of a hash. A hash sets four bits of its word."""


class BloomFilter:
    """Remembers uniformly distributed hashes, roughly, in 2**log2_words words of 8 bytes."""

    def __init__(self, log2_words: int) -> None:
        self._shift = np.uint64(64 - log2_words)
        self._words = np.zeros(1 << log2_words, np.uint64)

    @property
    def num_bits(self) -> int:
        return 64 * len(self._words)

    def add(self, hashes: Hashes) -> None:
        """Remember sorted hashes."""
        if not len(hashes):
            return
        places = self._places(hashes)
        firsts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
        self._words[places[firsts]] |= np.bitwise_or.reduceat(_bits(hashes), firsts)

    def may_hold(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Whether each hash may have been added; fastest when they are sorted."""
        bits = _bits(hashes)
        return (self._words[self._places(hashes)] & bits) == bits

    def _places(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes >> self._shift).astype(np.int64)  # the upper bits, so that places ascend as hashes do


def _bits(hashes: Hashes) -> Hashes:
    """The bits of its word that each hash sets, from its lower 24 bits."""
    low = (hashes & np.uint64((1 << 24) - 1)).astype(np.uint32)
    return _PAIRS[low & np.uint32(4095)] | _PAIRS[low >> np.uint32(12)]
