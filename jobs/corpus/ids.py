"""Which ids have been seen: exact for up to billions of ids in bounded memory, but for hash collisions.

Ids are kept as 64-bit BLAKE2b hashes, in sorted runs that merge as they grow; runs beyond a million live in temporary
files. A sieve in front of them answers for nearly all ids that are new, in at most 256 MiB. Two different ids share a
hash with a probability of n² / 2**65 for n ids (0.03 % for a hundred million); the later would count as seen, on
every reading alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .bloom_filter import BloomFilter, Hashes
from .sorted_runs import FileRun, MemoryRun, Scratch, SortedRun, merged

_LEAST_LOG2_WORDS = 14
_MOST_LOG2_WORDS = 25
_BITS_PER_HASH = 16


class IdIndex:
    """Remembers hashes of ids.

    Args:
        spill_size: Ids in the longest run that stays in memory.
        most_log2_words: The binary logarithm of the words of the sieve when it does not grow any more.
    """

    def __init__(self, *, spill_size: int = 1 << 20, most_log2_words: int = _MOST_LOG2_WORDS) -> None:
        self._spill_size = spill_size
        self._most_log2_words = most_log2_words
        self._log2_words = min(_LEAST_LOG2_WORDS, most_log2_words)
        self._bloom_filter = BloomFilter(self._log2_words)
        self._runs: list[SortedRun] = []
        self._count = 0

    def __len__(self) -> int:
        """Different hashes seen."""
        return self._count

    def add(self, hashes: Hashes) -> list[int]:
        """Remember the hashes; positions of those that stood before, in this call or in one of the past."""
        if not len(hashes):
            return []
        ordered = np.sort(hashes)
        seen = np.concatenate([[False], ordered[1:] == ordered[:-1]]) | self._holds(ordered)
        if not seen.any():
            self._remember(ordered)
            return []
        self._remember(ordered[~seen])
        # Of equal hashes, sorted or not, the first stays first.
        return cast("list[int]", np.sort(np.argsort(hashes, kind="stable")[seen]).tolist())

    def load(self, parts: Iterable[Hashes], num_expected: int) -> None:
        """Remember many hashes at once, each part sorted; none of them may be here yet, or in two parts.

        Args:
            parts: The hashes.
            num_expected: About how many they are in all.
        """
        self._widen(self._count + num_expected)
        file = Scratch()
        runs: list[FileRun] = []
        for part in parts:
            if len(part):
                runs.append(FileRun(file))
                runs[-1].append(part)
        if runs:
            run = merged(runs, self._spill_size)
            for some in run.pieces(self._spill_size):
                self._sift(some)
            self._push(run)

    def _holds(self, ordered: Hashes) -> NDArray[np.bool_]:
        held = self._bloom_filter.may_hold(ordered)
        if held.any():
            candidates = ordered[held]
            found = np.zeros(len(candidates), bool)
            for run in self._runs:
                found |= run.holds(candidates)
            held[held] = found
        return held

    def _remember(self, ordered: Hashes) -> None:
        if len(ordered):
            self._sift(ordered)
            self._push(MemoryRun(ordered))

    def _sift(self, ordered: Hashes) -> None:
        self._count += len(ordered)
        self._bloom_filter.add(ordered)

    def _push(self, run: SortedRun) -> None:
        """Add a run; runs at most twice as long as what follows them merge with it, so that few are left."""
        self._runs.append(run)
        num_merged, length = 1, len(run)
        while num_merged < len(self._runs) and len(self._runs[-num_merged - 1]) <= 2 * length:
            num_merged += 1
            length += len(self._runs[-num_merged])
        if num_merged > 1:
            self._runs[-num_merged:] = [merged(self._runs[-num_merged:], self._spill_size)]
        self._widen(self._count)

    def _widen(self, num_hashes: int) -> None:
        """A wider sieve, where one for so many hashes lets too much through."""
        wanted = self._log2_words
        while wanted < self._most_log2_words and num_hashes * _BITS_PER_HASH > 64 << wanted:
            wanted = min(wanted + 2, self._most_log2_words)
        if wanted == self._log2_words:
            return
        self._log2_words = wanted
        self._bloom_filter = BloomFilter(wanted)
        for run in self._runs:
            for some in run.pieces(self._spill_size):
                self._bloom_filter.add(some)
