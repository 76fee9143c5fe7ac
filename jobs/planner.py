"""The corpus as a stream of windows: how many rows are sorted and cut into shards together. Pure.

One window is in memory at a time, so the driver's memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..actors.segment import Failure, Utterance


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive rows of the corpus: those that can be spoken, and those rejected as they were read."""

    index: int
    utterances: tuple[Utterance, ...]
    rejected: tuple[Failure, ...]
    is_last: bool

    @property
    def num_rows(self) -> int:
        return len(self.utterances) + len(self.rejected)


def windows(rows: Iterable[Utterance | Failure], size: int) -> Iterator[Window]:
    """Rows in windows of `size`; the last one, maybe shorter, is marked. No rows, no window."""
    stream = iter(rows)
    ahead = next(stream, None)
    index = 0
    while ahead is not None:
        utterances: list[Utterance] = []
        rejected: list[Failure] = []
        for _ in range(size):
            if ahead is None:
                break
            if isinstance(ahead, Utterance):
                utterances.append(ahead)
            else:
                rejected.append(ahead)
            ahead = next(stream, None)
        yield Window(index, tuple(utterances), tuple(rejected), is_last=ahead is None)
        index += 1
