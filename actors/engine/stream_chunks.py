"""The chunks of a stream, with the steps of their windows; its rows may follow each other without a seam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .chunks import Chunk, Chunker, ChunkPolicy
from .request import Generated

if TYPE_CHECKING:
    from torch import Tensor

StepsFrom = Callable[[int], "tuple[Tensor, Tensor]"]
"""Codes and hidden states of a row from a step on, as `Generated` has them."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Steps of a stream that can be decoded: a chunk, and all steps of its window.

    Attributes:
        codes, hiddens: As in `Generated`, for the steps from `chunk.window_start` to `chunk.window_end`
        end: The stream's last row, with its last chunk; None before
    """

    chunk: Chunk
    codes: Tensor
    hiddens: Tensor
    end: Generated | None


class StreamChunks:
    """The steps of one stream, over all its rows.

    Guaranteed: chunks are those of a single row with all these steps. Of ended rows, only the steps that a later window
    may need are kept.
    """

    def __init__(self, policy: ChunkPolicy) -> None:
        self._chunker = Chunker(policy)
        self._num_before = 0
        """Steps of the rows that have ended."""
        self._kept: tuple[Tensor, Tensor] | None = None
        """The last steps of these."""

    def due(self, num_steps: int, steps_from: StepsFrom) -> Iterator[Drawn]:
        """Chunks that are due while a row has `num_steps` steps so far."""
        while (chunk := self._chunker.next(self._num_before + num_steps, is_complete=False)) is not None:
            yield self._drawn(chunk, steps_from, None)

    def last(self, row: Generated) -> Iterator[Drawn]:
        """All that is left, of a stream whose last row has ended."""
        while (chunk := self._chunker.next(self._num_before + row.num_steps, is_complete=True)) is not None:
            yield self._drawn(chunk, row.steps_from, row if chunk.is_last else None)

    def follow(self, row: Generated) -> None:
        """A row has ended, and another one follows."""
        first = min(self._chunker.steps_kept, self._num_before + row.num_steps)
        self._kept = self._steps(first, row.steps_from)
        self._num_before += row.num_steps

    def _drawn(self, chunk: Chunk, steps_from: StepsFrom, end: Generated | None) -> Drawn:
        codes, hiddens = self._steps(chunk.window_start, steps_from)
        size = chunk.num_window_steps
        return Drawn(chunk, codes[:size], hiddens[:size], end)

    def _steps(self, first: int, steps_from: StepsFrom) -> tuple[Tensor, Tensor]:
        """Steps of the stream from one on."""
        import torch

        here = steps_from(max(0, first - self._num_before))
        if first >= self._num_before or self._kept is None:
            return here
        kept = (part[len(part) - (self._num_before - first) :] for part in self._kept)
        codes, hiddens = (torch.cat(parts) for parts in zip(kept, here, strict=True))
        return codes, hiddens
