"""Who listens to a stream: whether he is still there, and what the time until his first audio went to.

Guaranteed: `leave` may be called from any thread, at any time; what makes the stream asks `is_gone` between steps.
Not known here: networks, models, what a part of the time means.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class StreamHandle:
    """The one for whom a stream is made.

    Attributes:
        spent_s: Seconds until the first audio by part, such as "queue", "text", "speech"; it does not change after it
    """

    spent_s: dict[str, float] = field(default_factory=dict[str, float])
    _has_heard: bool = False
    _gone: threading.Event = field(default_factory=threading.Event)
    _told: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    @property
    def is_gone(self) -> bool:
        """Whether nothing more is wanted."""
        return self._gone.is_set()

    def leave(self) -> None:
        """Want nothing more: the stream ends within a step of the model."""
        self._gone.set()
        for call in tuple(self._told):
            call()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call once nothing more is wanted, from the thread that calls `leave`; the call must not wait. Maybe twice."""
        self._told.append(call)
        if self.is_gone:
            call()

    def hears(self) -> None:
        """The first audio is there."""
        self._has_heard = True

    def spent(self, part: str, seconds: float) -> None:
        """Add to a part of the time until the first audio."""
        if not self._has_heard:
            self.spent_s[part] = self.spent_s.get(part, 0.0) + seconds

    @contextmanager
    def spending(self, part: str) -> Generator[None]:
        """Add what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent(part, time.perf_counter() - began)
