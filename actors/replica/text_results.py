"""The rows of one attempt become refined texts: pieces are joined by a space. Each row ends exactly once.

Texts travel in the receipt only: no part is opened for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..models.base import ModelInfo
from ..records.record import Record
from .receipt import ReplicaProgress
from .row_results import Pieces, Rows


class Texts(Rows[str]):
    """Rows that are refined; a piece is the refined text of a segment."""

    def __init__(self, info: ModelInfo, report: Callable[[ReplicaProgress], None]) -> None:
        super().__init__(info, report)
        self._refined: list[Record] = []

    def finish(self) -> Sequence[Record]:
        """A record of every row."""
        return self._failed + self._refined

    def abort(self) -> None:
        """Do nothing: there is no work to drop."""

    def _complete(self, pieces: Pieces[str]) -> None:
        refined = " ".join(pieces.made)
        self._refined.append(self._record(pieces.utterance, refined=refined, unspoken=pieces.unspoken))
        self._report(ReplicaProgress(rows=1))
