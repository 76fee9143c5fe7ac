"""Whether a failed row is at fault, or the model that was to speak it.

Guaranteed: after an error that no model should raise, `check` passes only if the model still speaks what it has spoken
before. Not known here: which errors are of memory, and what becomes of rows.
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import RowError
from ..records.utterance import Segment


class ModelHealth:
    """The last unexpected error of a model, and the last segment that it has spoken."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._spoken_last: Segment | None = None

    def spoke(self, segment: Segment) -> None:
        """Note a segment that the model has spoken: earlier errors were those of their rows."""
        self._error, self._spoken_last = None, segment

    def suspect(self, error: Exception) -> None:
        """Note an error that may be the model's or the device's."""
        self._error = error

    def reason(self, error: Exception) -> str:
        """The reason of a failed row. Any error but RowError is noted, because the device may be at fault."""
        if isinstance(error, RowError):
            return str(error) or type(error).__name__
        self.suspect(error)
        return f"{type(error).__name__}: {error}"

    def check(self, repeat: Callable[[Segment], object]) -> None:
        """Raise the last unexpected error, unless the model still speaks a segment that it has spoken before.

        Args:
            repeat: Speaks a segment again, and raises what the model raises
        """
        if self._error is None:
            return
        if self._spoken_last is None:
            raise self._error
        try:
            repeat(self._spoken_last)
        except Exception as error:
            raise self._error from error
