"""The corpus as a stream of windows: how many rows are sorted and cut into shards together. Pure.

One window is in memory at a time, so the driver's memory does not grow with the corpus.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...actors.records.record import Record
from ...actors.records.utterance import Failure, Utterance
from ...cluster.sharding.sharding import digest


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive rows of the corpus: those that can be spoken, and those rejected as they were read."""

    index: int
    utterances: Sequence[Utterance]
    rejected: tuple[Failure, ...]
    is_last: bool

    @classmethod
    def of(cls, index: int, rows: Sequence[Utterance | Failure], *, is_last: bool) -> Window:
        """The window that these rows make."""
        utterances = tuple([row for row in rows if isinstance(row, Utterance)])
        rejected = () if len(utterances) == len(rows) else tuple([row for row in rows if isinstance(row, Failure)])
        return cls(index, utterances, rejected, is_last)

    @property
    def num_rows(self) -> int:
        return len(self.utterances) + len(self.rejected)

    @property
    def rejected_digest(self) -> str:
        """A hash of everything in the rejected rows that the output depends on."""
        return digest([Utterance(f.row, f.id, f.text, 0, metadata=f.metadata) for f in self.rejected])


@dataclass(frozen=True, slots=True)
class KeptPart:
    """Rows whose clips an update keeps, of a part that does not count on as it is. `records` ascend by row."""

    window: int
    index: int | None
    records: tuple[Record, ...]


def windows(rows: Iterable[Utterance | Failure], size: int, first_index: int = 0) -> Iterator[Window]:
    """Rows in windows of `size`; the last one, maybe shorter, is marked. No rows, no window."""
    stream = iter(rows)
    ahead = next(stream, None)
    index = first_index
    while ahead is not None:
        taken: list[Utterance | Failure] = []
        for _ in range(size):
            if ahead is None:
                break
            taken.append(ahead)
            ahead = next(stream, None)
        yield Window.of(index, taken, is_last=ahead is None)
        index += 1


@contextmanager
def no_collection() -> Generator[None]:
    """Keep Python from looking for garbage while thousands of rows are made, none of which is any."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
