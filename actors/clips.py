"""The rows of one attempt as they become clips: pieces joined, encoded, added to the part, each row accounted for once.

Not known here: how pieces are spoken, or together with which.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import RowError
from .audio import encode, join, pcm16, pcm_sha256, sha256
from .manifest import Record
from .models.base import ModelInfo
from .part import PartWriter
from .receipt import ReplicaConfig, ReplicaProgress
from .segment import Segment, Utterance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class _Pieces:
    """An utterance whose segments are being spoken: float32 [num_samples] each, None until it is."""

    utterance: Utterance
    samples: list[NDArray[np.float32] | None]


class Clips:
    """Rows that are waited for, and clips on their way into the part.

    encode_soon  hands work to the encoder threads
    report       is told of everything as it happens, from any thread
    """

    def __init__(
        self,
        info: ModelInfo,
        config: ReplicaConfig,
        part: PartWriter,
        encode_soon: Callable[[partial[Record]], Future[Record]],
        report: Callable[[ReplicaProgress], None],
    ) -> None:
        self._info, self._config, self._part = info, config, part
        self._encode_soon, self._report = encode_soon, report
        self._adding = threading.Lock()
        self._waiting: dict[int, _Pieces] = {}
        self._clips: list[Future[Record]] = []
        self._failed: list[Record] = []

    def expect(self, utterance: Utterance, num_segments: int) -> None:
        """A row is to be spoken in so many segments."""
        self._waiting[utterance.row] = _Pieces(utterance, [None] * num_segments)

    def is_expected(self, segment: Segment) -> bool:
        """Whether the segment has yet to be spoken, and its row has not failed."""
        pieces = self._waiting.get(segment.row)
        return pieces is not None and pieces.samples[segment.index] is None

    def spoken(self, segment: Segment, samples: NDArray[np.float32]) -> None:
        """A segment's waveform; with the last of its row the clip goes to the encoder."""
        pieces = self._waiting.get(segment.row)
        if pieces is None:
            return  # another segment of the row has failed
        pieces.samples[segment.index] = samples
        if all(piece is not None for piece in pieces.samples):
            del self._waiting[segment.row]
            self._clips.append(self._encode_soon(partial(self._encode, pieces)))

    def give_up(self, segment: Segment, reason: str) -> None:
        """The segment's row fails, whatever became of its other segments."""
        pieces = self._waiting.pop(segment.row, None)
        if pieces is not None:
            self.fail(pieces.utterance, reason)

    def fail(self, utterance: Utterance, reason: str) -> None:
        """A row fails."""
        self._failed.append(self._record(utterance, error=reason))
        self._report(ReplicaProgress(rows=1, failed=1))

    def check(self) -> None:
        """Every row has an end."""
        assert not self._waiting, f"rows without an end: {sorted(self._waiting)[:5]}"

    def finish(self) -> Sequence[Record]:
        """Wait for the encoders, store the part; a record of every row."""
        records = self._failed + [clip.result() for clip in self._clips]
        self._part.close()
        return records

    def abort(self) -> None:
        """Drop the clips that no encoder has begun, and forget the part."""
        for clip in self._clips:
            clip.cancel()
        with self._adding:
            self._part.abort()

    def _encode(self, pieces: _Pieces) -> Record:
        """One clip: joined, encoded, hashed and added to the part. Runs in an encoder thread."""
        utterance, info, config = pieces.utterance, self._info, self._config
        try:
            pcm = pcm16(join([p for p in pieces.samples if p is not None], info.sample_rate, config.pause_s))
            encoded = encode(pcm, info.sample_rate, config.audio_format)
        except RowError as error:
            self._report(ReplicaProgress(rows=1, failed=1))
            return self._record(utterance, error=str(error) or type(error).__name__)
        audio: dict[str, Any] = {
            "sample_rate": info.sample_rate,
            "num_samples": len(pcm),
            "duration_s": len(pcm) / info.sample_rate,
        }
        sidecar = self._described(utterance) | audio
        with self._adding:
            key, member = self._part.add(utterance.row, utterance.id, encoded, sidecar)
        self._report(ReplicaProgress(rows=1, audio_s=audio["duration_s"]))
        return self._record(
            utterance,
            audio=key,
            member=member,
            audio_format=config.audio_format,
            audio_bytes=len(encoded),
            audio_sha256=sha256(encoded),
            pcm_sha256=pcm_sha256(pcm),
            num_segments=len(pieces.samples),
            **audio,
        )

    def _record(self, utterance: Utterance, error: str | None = None, **audio: Any) -> Record:
        return Record(
            row=utterance.row,
            status="ok" if error is None else "failed",
            error=error,
            model=self._info.name,
            model_revision=self._info.revision,
            **self._described(utterance),
            **audio,
        )

    def _described(self, utterance: Utterance) -> dict[str, Any]:
        """What a record and a sidecar both say of the row itself."""
        return {
            "id": utterance.id,
            "text": utterance.text,
            "voice": utterance.voice or self._info.default_voice,
            "seed": utterance.seed,
            "speed": utterance.speed,
            "metadata": dict(utterance.metadata),
        }
