"""Which ids have been seen: exact for up to billions of ids in a few megabytes of memory, but for hash collisions.

Ids are kept as 64-bit BLAKE2b hashes: the newest in a set, older ones in sorted runs that merge as they grow; runs
beyond a million live in temporary files without a name, which vanish with the process. Two different ids share a
hash with a probability of n² / 2**65 for n ids (0.03 % for a hundred million); the later would count as seen, on
every reading alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ...errors import StorageFull

Hashes = NDArray[np.uint64]


class IdIndex:
    """Remembers ids.

    set_size     ids in the set, before they become a run
    spill_size   ids in the longest run that stays in memory
    """

    def __init__(self, *, set_size: int = 1 << 16, spill_size: int = 1 << 20) -> None:
        self._set_size = set_size
        self._spill_size = spill_size
        self._recent: set[int] = set()
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        """Different ids seen."""
        return len(self._recent) + sum(map(len, self._runs))

    def add(self, ids: Sequence[str]) -> list[int]:
        """Remember the ids; positions of those that stood before, in this call or in one of the past."""
        joined = b"".join([blake2b(i.encode("utf-8", "surrogatepass"), digest_size=8).digest() for i in ids])
        hashes = np.frombuffer(joined, "<u8")
        repeated = self._in_runs(hashes)
        recent, keys = self._recent, hashes.tolist()
        if repeated or not recent.isdisjoint(keys) or len(set(keys)) < len(keys):
            repeated = self._add_one_by_one(keys, set(repeated))
        else:
            recent.update(keys)
        if len(recent) >= self._set_size:
            self._push(np.sort(np.fromiter(recent, np.uint64, len(recent))))
            recent.clear()
        return repeated

    def _add_one_by_one(self, keys: list[int], repeated: set[int]) -> list[int]:
        found: list[int] = []
        for position, key in enumerate(keys):
            if position in repeated or key in self._recent:
                found.append(position)
            else:
                self._recent.add(key)
        return found

    def _in_runs(self, hashes: Hashes) -> list[int]:
        if not self._runs:
            return []
        order = np.argsort(hashes)
        sorted_hashes = hashes[order]
        seen = np.zeros(len(hashes), bool)
        for run in self._runs:
            # "left" positions stay inside the run but for hashes above its last
            at = np.minimum(np.searchsorted(run, sorted_hashes), len(run) - 1)
            seen |= run[at] == sorted_hashes
        return cast("list[int]", np.sort(order[seen]).tolist())

    def _push(self, run: Hashes) -> None:
        """Add a run; runs at most twice as long as what follows them merge, so that few are left."""
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            newer, older = self._runs.pop(), self._runs.pop()
            self._runs.append(self._merge(older, newer))

    def _merge(self, a: Hashes, b: Hashes) -> Hashes:
        length = len(a) + len(b)
        if length <= self._spill_size:
            return np.sort(np.concatenate([a, b]), kind="stable")
        try:
            with tempfile.TemporaryFile(prefix="speechmill-ids-") as file:
                step, taken = self._spill_size, 0
                for start in range(0, len(a), step):
                    chunk = a[start : start + step]
                    is_last = start + step >= len(a)
                    end = len(b) if is_last else int(np.searchsorted(b, chunk[-1]))
                    np.sort(np.concatenate([chunk, b[taken:end]]), kind="stable").tofile(file)
                    taken = end
                file.flush()
                return np.memmap(file, np.uint64, "r", shape=(length,))
        except OSError as error:
            folder = tempfile.gettempdir()
            raise StorageFull(f"no room for {length * 8:,} bytes in {folder}; set TMPDIR, or input.id: null") from error
