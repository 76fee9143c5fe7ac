"""A lock for a model that speaks one batch at a time: streams go before rows of jobs.

Guaranteed: one thread holds the lock at a time. Waiting streams get it before waiting rows; there is no order among
streams, nor among rows. A stream whose listener has gone stops waiting. The lock never interrupts its holder.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..records.stream_handle import StreamHandle

_LOOK_EVERY_S = 0.05
"""Seconds between two looks whether the listener of a waiting stream is still there."""


class PriorityLock:
    """A lock with priority for streams, for any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self._num_urgent = 0

    @contextmanager
    def rows(self) -> Generator[None]:
        """Hold the lock for rows of a job, once no stream waits."""
        with self._changed:
            while self._is_taken or self._num_urgent:
                self._changed.wait()
            self._is_taken = True
        try:
            yield
        finally:
            self._give_up()

    @contextmanager
    def stream(self, listener: StreamHandle) -> Generator[bool]:
        """Hold the lock for a stream. Yields False, without the lock, if the listener has gone."""
        with self._changed:
            self._num_urgent += 1
            try:
                with listener.spending("queue"):
                    while self._is_taken and not listener.is_gone:
                        self._changed.wait(_LOOK_EVERY_S)
                has_turn = not listener.is_gone
                self._is_taken = self._is_taken or has_turn
            finally:
                self._num_urgent -= 1
                self._changed.notify_all()  # rows wait until this number is 0
        try:
            yield has_turn
        finally:
            if has_turn:
                self._give_up()

    def _give_up(self) -> None:
        with self._changed:
            self._is_taken = False
            self._changed.notify_all()
