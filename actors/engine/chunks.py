"""Cuts the steps of a row into chunks while more steps are drawn; each has context, the first ones are small. Pure.

Guaranteed: the chunks of a row cover its steps once and in order. A chunk is decoded from a window of at most `context`
+ size + `ahead` steps. Every chunk but the last has its whole look-ahead in its window, and exactly one chunk is the
last. Until the row is complete, the ends of chunks do not depend on the times at which steps come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

from ...errors import ModelError
from ..models.option_values import check_keys, mapping


@dataclass(frozen=True, slots=True)
class ChunkPolicy:
    """The sizes of chunks; all numbers but `growth` are steps.

    Attributes:
        first: Size of the first chunk, which leaves as soon as it and its look-ahead are drawn
        growth: Factor from one chunk's size to the next one's, up to `most`; at least 1
        most: The largest size; the last chunk may have `ahead` steps more
        ahead: Look-ahead: steps drawn beyond a chunk before it is decoded. Fewer steps are sooner there, and differ
            more from the audio of the whole row
        context: Steps before a chunk that are decoded again with it: as many as its beginning depends on

    Raises:
        ValueError: A number is outside its range
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


def read_chunk_policy(raw: object, model: str) -> ChunkPolicy:
    """The policy that `model.options.streaming` asks a model for.

    Raises:
        ModelError: A key is unknown, or a value is wrong
    """
    where = "model.options.streaming"
    keys = mapping(raw, where)
    check_keys(keys, ("first", "growth", "most", "ahead"), where, model)
    for key, value in keys.items():
        if isinstance(value, bool) or not isinstance(value, int if key != "growth" else int | float):
            kind = "a number" if key == "growth" else "a whole number of steps"
            raise ModelError(f"{where}.{key} is {value!r:.40}; it has to be {kind}")
    try:
        return ChunkPolicy(**cast("dict[str, Any]", dict(keys)))
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error


@dataclass(frozen=True, slots=True)
class Chunk:
    """Steps `start` to `end`, decoded from the window of steps `window_start` to `window_end`.

    An empty chunk needs no decoding: it marks the end of a row whose steps have all left before.
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
    """The chunks of one row so far."""

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
        """The next chunk of a row that has `steps` steps so far; None if it is not due yet, or all steps have left.

        More than one chunk may be due: call this until it returns None.

        Args:
            is_complete: The row has ended

        Raises:
            ValueError: The row has fewer steps than have left already
        """
        if steps < self._done:
            raise ValueError(f"the row has {steps} steps, of which {self._done} have left: they cannot become fewer")
        end = self._done + int(self._size)
        reach = end + self._policy.ahead
        if self._is_over or (steps < reach and not is_complete):
            return None
        if is_complete and steps <= reach:
            # The window ends here anyway, so the steps of the look-ahead leave with the chunk.
            return self._leave(steps, steps, is_last=True)
        return self._leave(end, reach, is_last=False)

    def _leave(self, end: int, window_end: int, *, is_last: bool) -> Chunk:
        start, kept = self._done, self.steps_kept
        self._done, self._is_over = end, is_last
        self._size = min(float(self._policy.most), self._size * self._policy.growth)
        return Chunk(start, end, kept if end > start else end, window_end, is_last)
