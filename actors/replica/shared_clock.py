"""A clock for attempts that use a model at once: its seconds are shared out evenly among them.

Guaranteed: the shares add up to the time in which at least one attempt was at work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


class SharedClock:
    """A clock that runs at half its speed while two attempts are at work, at a third while three are."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._guard = threading.Lock()
        self._at = now()
        self._seconds = 0.0
        self._num_working = 0

    @contextmanager
    def working(self) -> Generator[None]:
        """Count one more attempt as at work during the block."""
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)

    def seconds(self) -> float:
        """The clock's time. The share of an attempt is the difference between the times of its end and its begin."""
        with self._guard:
            self._advance()
            return self._seconds

    def _change(self, by: int) -> None:
        with self._guard:
            self._advance()
            self._num_working += by

    def _advance(self) -> None:
        now = self._now()
        if self._num_working:
            self._seconds += (now - self._at) / self._num_working
        self._at = now
