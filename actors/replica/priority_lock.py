"""Whose turn it is to use a model that speaks one batch at a time: streams go before rows of jobs.

Guaranteed: one at a time; who waits for a stream goes before all who wait for rows, in no order among equals; a
listener who has gone stops waiting. Nothing that has begun is interrupted. Not known here: models, batches.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from ..records.stream_handle import StreamHandle

_LOOK_EVERY_S = 0.05
"""How often one who waits asks whether his listener is still there."""


class PriorityLock:
    """Turns at one model, for any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self._num_urgent = 0

    @contextmanager
    def rows(self) -> Generator[None]:
        """A turn for rows of a job, when no stream waits."""
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
        """A turn for a stream, the next one; False, and no turn, if the listener has gone."""
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
                self._changed.notify_all()  # rows wait for this number, too
        try:
            yield has_turn
        finally:
            if has_turn:
                self._give_up()

    def _give_up(self) -> None:
        with self._changed:
            self._is_taken = False
            self._changed.notify_all()
