"""Sorted runs of 64-bit hashes, in memory or in a temporary file without a name, which vanishes with the process.

Guaranteed: a run in a file takes 8 bytes of memory for each page of it (512 hashes), and merging takes a few dozen
megabytes however long the runs are. Hashes are expected to be spread evenly over their 64 bits.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ...errors import StorageFull
from .bloom_filter import Hashes

PAGE = 512
"""Hashes that are read from a file at once: 4 KiB."""
MERGED_AT_ONCE = 1 << 21
"""Hashes that a merge holds in memory."""


class SortedRun(ABC):
    """Sorted hashes, none twice."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, start: int, end: int) -> Hashes:
        """The hashes from position `start` to before `end`."""

    @abstractmethod
    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Whether each of these sorted hashes is in the run."""

    @abstractmethod
    def rank(self, value: int) -> int:
        """How many hashes are below the value."""

    def pieces(self, length: int) -> Iterator[Hashes]:
        """All hashes, so many at a time."""
        for start in range(0, len(self), length):
            yield self.read(start, min(len(self), start + length))


class MemoryRun(SortedRun):
    """A run as an array."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self._hashes)

    def read(self, start: int, end: int) -> Hashes:
        return self._hashes[start:end]

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        # "left" positions stay inside the run but for hashes above its last
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return self._hashes[at] == hashes

    def rank(self, value: int) -> int:
        return int(np.searchsorted(self._hashes, np.uint64(value)))


class Scratch:
    """A temporary file without a name; it goes with the last run in it.

    Raises:
        StorageFull: The store has no room left
    """

    def __init__(self) -> None:
        with _roomy(), tempfile.TemporaryFile(prefix="speechmill-ids-") as file:
            self._file = os.dup(file.fileno())
        self.size = 0

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def append(self, data: bytes) -> None:
        """Write behind all that was written."""
        rest = memoryview(data)
        with _roomy():
            while rest:
                rest = rest[os.pwrite(self._file, rest, self.size + len(data) - len(rest)) :]
        self.size += len(data)

    def read(self, start: int, length: int) -> bytes:
        """Bytes that were written."""
        return os.pread(self._file, length, start)


class FileRun(SortedRun):
    """A run in a file, of which memory holds the first hash of every page.

    Args:
        file: Runs may share one, if each is written before the next is begun; None for one of its own.
    """

    def __init__(self, file: Scratch | None = None) -> None:
        self._file = file or Scratch()
        self._base = self._file.size
        self._length = 0
        self._firsts = np.zeros(0, np.uint64)

    def append(self, hashes: Hashes) -> None:
        """Write hashes behind those that are there; all of them above.

        Raises:
            StorageFull: The store has no room left
        """
        self._file.append(hashes.tobytes())
        self._firsts = np.concatenate([self._firsts, hashes[-self._length % PAGE :: PAGE]])
        self._length += len(hashes)

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, end: int) -> Hashes:
        return np.frombuffer(self._file.read(self._base + 8 * start, 8 * (end - start)), np.uint64)

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        found = np.zeros(len(hashes), bool)
        pages = np.searchsorted(self._firsts, hashes, "right") - 1
        firsts = np.flatnonzero(np.concatenate([[True], pages[1:] != pages[:-1]])) if len(pages) else pages
        for start, end in zip(firsts.tolist(), [*firsts[1:].tolist(), len(hashes)], strict=False):
            if pages[start] >= 0:
                found[start:end] = MemoryRun(self._page(int(pages[start]))).holds(hashes[start:end])
        return found

    def rank(self, value: int) -> int:
        page = int(np.searchsorted(self._firsts, np.uint64(value), "right")) - 1
        return max(page, 0) * PAGE + MemoryRun(self._page(max(page, 0))).rank(value) if self._length else 0

    def _page(self, page: int) -> Hashes:
        return self.read(page * PAGE, min(self._length, (page + 1) * PAGE))


@contextmanager
def _roomy() -> Generator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise StorageFull(f"no room for the ids in {folder} ({error}); set TMPDIR, or input.id: null") from error


def merged(runs: Sequence[SortedRun], spill_size: int, at_once: int = MERGED_AT_ONCE) -> SortedRun:
    """All hashes of the runs as one; in a file if there are more than `spill_size` of them."""
    length = sum(map(len, runs))
    if length <= spill_size:
        return MemoryRun(np.sort(np.concatenate([run.read(0, len(run)) for run in runs]), kind="stable"))
    result = FileRun()
    num_slices = -(-length // at_once)
    starts = [0] * len(runs)
    for number in range(1, num_slices + 1):
        # Slices of the whole range of 64 bits hold about as many hashes each, since hashes are spread evenly.
        is_last = number == num_slices
        ends = [len(run) if is_last else run.rank((number << 64) // num_slices) for run in runs]
        pieces = [run.read(start, end) for run, start, end in zip(runs, starts, ends, strict=True)]
        result.append(np.sort(np.concatenate(pieces), kind="stable"))  # merges what is sorted
        starts = ends
    return result
