"""Segments of rejected rows that wait to be spoken again, and whose turn it is to speak on a replica.

Guaranteed: one call speaks at a time. Rejected rows are spoken by whichever call has the turn, so the model need not
wait for the judges: a call that has spoken all its rows lets another one speak, and is told what became of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..records.utterance import Segment

if TYPE_CHECKING:
    from .row_results import Rows

WORTH_A_BATCH = 8
"""Segments that wait together before they interrupt the batches of another call."""
_LOOK_EVERY_S = 0.05
"""Seconds between two looks whether a waiting call was dropped or handed back."""


class SpeakingTurn:
    """A lock for the calls of one replica; `changed` is notified when it is free, and when a verdict has come."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._is_taken = False

    def __enter__(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: not self._is_taken)
            self._is_taken = True

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self._is_taken = False
            self.changed.notify_all()

    def wait(self, is_due: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
        """Take the turn when it is free and `is_due`; False without it once `is_over`, and now and then before."""
        with self.changed:
            self.changed.wait_for(lambda: is_over() or (is_due() and not self._is_taken), _LOOK_EVERY_S)
            if is_over() or not is_due() or self._is_taken:
                return False
            self._is_taken = True
            return True

    @contextmanager
    def taken(self) -> Generator[None]:
        """Give the turn, which `wait` has taken, back after the block."""
        try:
            yield
        finally:
            self.__exit__()


class Retries:
    """Rejected segments, each with the rows that it belongs to."""

    def __init__(self, turn: SpeakingTurn) -> None:
        self._turn = turn
        self._waiting: list[tuple[Rows[Any], Segment]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, rows: Rows[Any], segments: Sequence[Segment]) -> None:
        """Add segments to be spoken again, from any thread."""
        with self._turn.changed:
            self._waiting += [(rows, segment) for segment in segments]
            self._turn.changed.notify_all()

    def take(self) -> list[tuple[Rows[Any], Segment]]:
        """All segments that wait; the call that takes them speaks them, or adds them again."""
        with self._turn.changed:
            taken, self._waiting = self._waiting, []
            return taken

    def notify(self) -> None:
        """Say that a row has ended."""
        with self._turn.changed:
            self._turn.changed.notify_all()
