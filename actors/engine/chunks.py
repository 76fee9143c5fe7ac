"""Which steps of a row leave next, while more are being drawn: chunks with context, small at first. Pure.

Guarantees that the chunks of a row cover its steps once and in order, that the window that a chunk is decoded from has
at most `context` + size + `ahead` steps whatever came before it, that every chunk but the last has its whole look-ahead
in its window, and that exactly one chunk is the last. Where chunks end does not depend on when steps came, until the
row is complete. Knows neither what a step is nor how it is decoded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkPolicy:
    """How a row is cut; all numbers but `growth` are steps.

    Attributes:
        first: Of the first chunk: it leaves as soon as it and its look-ahead are there
        growth: Of each chunk over the one before it, until `most`; at least 1
        most: Of any chunk; the last may take as many as its look-ahead would have had on top
        ahead: Drawn beyond a chunk before it is decoded: fewer are sooner, and further from the sound of the whole
        context: Decoded again before a chunk: as many as its beginning depends on

    Raises:
        ValueError: For a number outside its range
    """

    first: int = 8
    growth: float = 1.5
    most: int = 96
    ahead: int = 8
    context: int = 53

    def __post_init__(self) -> None:
        for name, value, least in (
            ("first", self.first, 1),
            ("growth", self.growth, 1),
            ("most", self.most, self.first),
            ("ahead", self.ahead, 0),
            ("context", self.context, 0),
        ):
            if not least <= value < math.inf:
                raise ValueError(f"{name} is {value}; allowed: {least} or more, and finite")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Steps `start` to `end`, decoded from the window of steps `window_start` to `window_end`.

    An empty chunk needs no decoding: it says that the one before it turned out to be the last.
    """

    start: int
    end: int
    window_start: int
    window_end: int
    is_last: bool

    @property
    def is_empty(self) -> bool:
        return self.start == self.end

    @property
    def num_window_steps(self) -> int:
        return self.window_end - self.window_start


class Chunker:
    """Where one row has got to."""

    def __init__(self, policy: ChunkPolicy) -> None:
        self._policy = policy
        self._size = float(policy.first)
        self._done = 0
        self._is_over = False

    @property
    def steps_kept(self) -> int:
        """The first step that a later window may need."""
        return max(0, self._done - self._policy.context)

    def next(self, steps: int, *, is_complete: bool) -> Chunk | None:
        """The next chunk of a row that has `steps` steps so far; None where it is not time yet, or all have left.

        More than one chunk may be due: ask until there is none.

        Args:
            is_complete: No more steps will come

        Raises:
            ValueError: If the row has fewer steps than left
        """
        if steps < self._done:
            raise ValueError(f"the row has {steps} steps, of which {self._done} have left: they cannot become fewer")
        end = self._done + int(self._size)
        reach = end + self._policy.ahead
        if self._is_over or (steps < reach and not is_complete):
            return None
        if is_complete and steps <= reach:
            # The window would end here anyway: what would be the look-ahead leaves with the rest.
            return self._leave(steps, steps, is_last=True)
        return self._leave(end, reach, is_last=False)

    def _leave(self, end: int, window_end: int, *, is_last: bool) -> Chunk:
        start, kept = self._done, self.steps_kept
        self._done, self._is_over = end, is_last
        self._size = min(float(self._policy.most), self._size * self._policy.growth)
        return Chunk(start, end, kept if end > start else end, window_end, is_last)
