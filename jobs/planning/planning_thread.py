"""The plan of a run, made in a thread of its own: reading the corpus and writing the plan log keep nothing waiting.

Guaranteed: windows come in order, each once; no more than `MAX_READY` wait to be taken; what planning raised is raised
by `take`, after the windows before it. Not known here: what a window is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_READY = 2
"""Windows that are planned ahead, beside the one that is being planned: they lie in memory."""


class PlanningThread(Generic[T]):
    """Takes from an iterator in a thread, a few windows ahead of `take`. `stop` ends it early."""

    def __init__(self, windows: Iterator[T]) -> None:
        self._windows = windows
        self._changed = threading.Condition()
        self._ready: deque[T] = deque()
        self._has_ended = self._is_stopped = False
        self._error: BaseException | None = None
        # A daemon: a run that is interrupted does not wait for a corpus that cannot be read.
        self._thread = threading.Thread(target=self._run, name="planning", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float = 0.0) -> T | None:
        """The next window; None if there is none by then. Raises what planning raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._has_ended, timeout_s)
            if self._ready:
                window = self._ready.popleft()
                self._changed.notify_all()
                return window
            if self._error is not None:
                raise self._error
            return None

    @property
    def is_done(self) -> bool:
        """Whether every window was taken, and planning raised nothing."""
        with self._changed:
            return self._has_ended and not self._ready and self._error is None

    def stop(self) -> None:
        """Plan no further; what waits is forgotten."""
        with self._changed:
            self._is_stopped = True
            self._ready.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with closing(_closable(self._windows)) as windows:
                for window in windows:
                    if not self._give(window):
                        break
        except BaseException as raised:
            error = raised
        with self._changed:
            self._error, self._has_ended = error, True
            self._changed.notify_all()

    def _give(self, window: T) -> bool:
        """Wait for room, and give a window out; whether another one is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < MAX_READY or self._is_stopped)
            if not self._is_stopped:
                self._ready.append(window)
                self._changed.notify_all()
            return not self._is_stopped


def _closable(windows: Iterator[T]) -> Generator[T]:
    yield from windows
