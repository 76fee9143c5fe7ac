"""Whose row a segment is that one call speaks: its own, or a rejected one of another call that waits for it.

Guaranteed: what a call takes of the rejected segments and does not speak goes back to those that wait.
"""

from __future__ import annotations

from typing import Any

from ..records.utterance import Segment
from .retries import WORTH_A_BATCH, Retries
from .row_results import Rows


class SegmentOwners:
    """The rows of one call, and the rejected segments that it has taken.

    Args:
        rows: The call's own
        retries: The rejected segments of all calls of the job on this replica
    """

    def __init__(self, rows: Rows[Any], retries: Retries) -> None:
        self._rows, self._retries = rows, retries
        self._taken: dict[int, tuple[Segment, Rows[Any]]] = {}
        self._since = 0

    def rows_of(self, segment: Segment) -> Rows[Any]:
        """The rows that a segment belongs to: this call's, or those of a call that waits for it."""
        taken = self._taken.get(id(segment))
        return self._rows if taken is None else taken[1]

    def is_expected(self, segment: Segment) -> bool:
        """Whether the segment has yet to be made, and its row has not failed."""
        return self.rows_of(segment).is_expected(segment)

    def is_taken(self, segment: Segment) -> bool:
        """Whether it is a rejected segment."""
        return id(segment) in self._taken

    def take_due(self, *, is_busy: bool) -> list[Segment] | None:
        """Take the rejected segments that wait, if they are to be spoken in the next batch; None if not.

        Args:
            is_busy: The call has other segments to speak. Then a few wait until they fill a batch, but not for long
        """
        waiting = len(self._retries)
        self._since = self._since + 1 if waiting else 0
        if not waiting or (is_busy and waiting < WORTH_A_BATCH and self._since < WORTH_A_BATCH):
            return None
        self._since = 0
        taken = [(segment, rows) for rows, segment in self._retries.take() if rows.is_expected(segment)]
        self._taken |= {id(segment): (segment, rows) for segment, rows in taken}
        return [segment for segment, _ in taken]

    def return_unspoken(self) -> None:
        """Leave the rejected segments that were taken and not spoken to the next call."""
        left = [(rows, segment) for segment, rows in self._taken.values() if rows.is_expected(segment)]
        self._taken.clear()
        for rows, segment in left:
            self._retries.add(rows, [segment])

    def are_spoken(self) -> bool:
        """Whether no rejected segment that was taken is still to be made."""
        return not any(rows.is_expected(segment) for segment, rows in self._taken.values())
