"""The rows of one attempt and their outcomes: missing pieces, failures, records.

Guaranteed: a row ends exactly once, complete or failed, whatever the outcomes of its pieces.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ..models.base import ModelInfo
from ..records.record import Record
from ..records.reference import NamedClip
from ..records.utterance import Segment, Utterance
from ..text.front_end import SpokenText
from ..text.segments import SpokenSegments
from .receipt import ReplicaProgress

RowPiece = TypeVar("RowPiece")
"""The result of a segment: samples, or text."""


@dataclass(slots=True)
class Pieces(Generic[RowPiece]):
    """An utterance and the results of its segments.

    Attributes:
        pieces: A result for each segment; None until it is there
        spoken: The whole text as it is spoken, and what of it is not
        pauses_s: Seconds of silence before each piece
        segments: What is spoken for each piece, in this attempt
    """

    utterance: Utterance
    pieces: list[RowPiece | None]
    spoken: SpokenText
    pauses_s: Sequence[float]
    segments: Sequence[Segment] = ()

    @property
    def attempt(self) -> int:
        """How often the row was spoken before."""
        return self.segments[0].attempt if self.segments else 0

    @property
    def num_tokens(self) -> int:
        """The model's count of the whole text."""
        return sum(segment.prepared.length for segment in self.segments)

    def again(self) -> Pieces[RowPiece]:
        """The next attempt, with no result yet."""
        segments = [replace(segment, attempt=segment.attempt + 1) for segment in self.segments]
        return Pieces(self.utterance, [None] * len(segments), self.spoken, self.pauses_s, segments)

    @property
    def unspoken(self) -> str:
        """What the model leaves out, as a manifest says it."""
        return " ".join(self.spoken.unspoken)

    @property
    def made(self) -> list[RowPiece]:
        """The results that are there, in order."""
        return [piece for piece in self.pieces if piece is not None]


class Rows(ABC, Generic[RowPiece]):
    """Rows that wait for pieces, and rows that have failed.

    Args:
        report: Called for every row that ends, from any thread
    """

    def __init__(self, info: ModelInfo, report: Callable[[ReplicaProgress], None]) -> None:
        self._info, self._report = info, report
        self._guard = threading.RLock()  # a judge's verdict comes from another thread
        self._waiting: dict[int, Pieces[RowPiece]] = {}
        self._failed: list[Record] = []
        self._reference_digests: dict[int, str] = {}

    def heard(self, row: int, reference_digest: str) -> None:
        """Note the digest of the recording that a row is spoken with, for its record."""
        self._reference_digests[row] = reference_digest

    def expect(self, utterance: Utterance, planned: SpokenSegments) -> None:
        """Add a row that consists of these segments."""
        pieces: list[RowPiece | None] = [None] * len(planned.segments)
        self._waiting[utterance.row] = Pieces(utterance, pieces, planned.spoken, planned.pauses_s, planned.segments)
        if planned.spoken.unspoken:
            self._report(ReplicaProgress(unspoken=1))

    def is_expected(self, segment: Segment) -> bool:
        """Whether the segment has yet to be made, and its row has not failed."""
        pieces = self._waiting.get(segment.row)
        return pieces is not None and pieces.attempt == segment.attempt and pieces.pieces[segment.index] is None

    def clip_of(self, segment: Segment) -> NamedClip | None:
        """The recording that the row of a segment names, which has not ended."""
        pieces = self._waiting.get(segment.row)
        return None if pieces is None else pieces.utterance.reference

    @property
    def is_open(self) -> bool:
        """Whether a row has not ended."""
        return bool(self._waiting)

    @property
    def num_judged(self) -> int:
        """Rows that are spoken and whose verdict is not there yet."""
        return 0

    def put(self, segment: Segment, piece: RowPiece) -> None:
        """Add the result of a segment; the last one completes the row."""
        with self._guard:
            if not self.is_expected(segment):
                return  # another segment of the row has failed, or the row was handed back
            pieces = self._waiting[segment.row]
            pieces.pieces[segment.index] = piece
            if any(made is None for made in pieces.pieces):
                return
            del self._waiting[segment.row]
            self._begin_judging(pieces)
        self._complete(pieces)

    def give_up(self, segment: Segment, reason: str) -> None:
        """Fail the row of a segment, whatever the results of its other segments."""
        with self._guard:
            pieces = self._waiting.pop(segment.row, None)
        if pieces is not None:
            self.fail(pieces.utterance, reason)

    def fail(self, utterance: Utterance, reason: str) -> None:
        """Fail a row."""
        self._failed.append(self._record(utterance, error=reason))
        self._report(ReplicaProgress(rows=1, failed=1))

    def hand_back(self) -> tuple[int, ...]:
        """Drop the rows that have not ended; their numbers, in order."""
        with self._guard:
            left = tuple(sorted(self._waiting))
            self._waiting.clear()
        return left

    def check(self) -> None:
        """Assert that every row was spoken once, or has failed."""
        left = [row for row, pieces in list(self._waiting.items()) if not pieces.attempt]
        assert not left, f"rows without an end: {sorted(left)[:5]}"

    def _begin_judging(self, pieces: Pieces[RowPiece]) -> None:
        """Note that the row waits for its verdict, where rows are judged."""

    @abstractmethod
    def finish(self) -> Sequence[Record]:
        """Wait for running work; a record of every row."""

    @abstractmethod
    def abort(self) -> None:
        """Drop work that has not begun."""

    @abstractmethod
    def _complete(self, pieces: Pieces[RowPiece]) -> None:
        """Handle a row whose pieces are all there."""

    def _record(self, utterance: Utterance, error: str | None = None, **made: Any) -> Record:
        return Record.of_utterance(
            utterance,
            model=self._info.name,
            model_revision=self._info.revision,
            default_voice=self._info.default_voice,
            error=error,
            reference_digest=self._reference_digests.get(utterance.row, ""),
            **made,
        )

    def _described(self, utterance: Utterance) -> dict[str, Any]:
        """The row's own values, as a record and a sidecar hold them."""
        return {
            "id": utterance.id,
            "text": utterance.text,
            "voice": utterance.voice or self._info.default_voice,
            "seed": utterance.seed,
            "speed": utterance.speed,
            "metadata": dict(utterance.metadata),
        }
