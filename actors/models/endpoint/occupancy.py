"""How full the places of a replica were: microseconds of requests, and of places while anything was under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from ..base import SlotUsage


class Occupancy:
    """Counts over the time in which at least one of some places is taken. Called from several threads."""

    def __init__(self, places: int) -> None:
        self._places, self._taken = places, 0
        self._row_s = self._slot_s = 0.0
        self._since_s = 0.0
        self._guard = threading.Lock()

    @contextmanager
    def taken(self) -> Generator[None]:
        """Take a place for the block."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def usage(self) -> SlotUsage:
        """The use so far, a step being a microsecond."""
        self._change(0)
        return SlotUsage(round(self._row_s * 1e6), round(self._slot_s * 1e6))

    def _change(self, by: int) -> None:
        with self._guard:
            now_s = time.perf_counter()
            if self._taken:
                self._row_s += self._taken * (now_s - self._since_s)
                self._slot_s += max(self._taken, self._places) * (now_s - self._since_s)
            self._since_s = now_s
            self._taken += by
