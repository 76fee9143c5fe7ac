"""One attempt at one part: segments out of utterances, batches through the model, clips into the part.

Every utterance ends in the receipt exactly once, spoken or failed with its reason. A batch that fails is halved down
to the row that fails, so that one bad row costs nobody else. If not one row could be spoken, and not for reasons of
their own, the error is raised instead: then the replica is at fault, not the rows. The same goes for a device that
breaks in mid-part: what failed for no reason of its own is only believed if the model still works afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import BatchOutOfMemory, JobError, RowError, RunStopped
from .audio import encode, join, pcm16, pcm_sha256, sha256
from .batcher import num_cells, pack_segments
from .manifest import Record, encode_records
from .models.base import BatchLimit, Model
from .part import PartWriter
from .receipt import Receipt, ReplicaConfig, ReplicaProgress
from .segment import Segment, Utterance
from .text import fit_segments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class _Pieces:
    """An utterance whose segments are being spoken: float32 [num_samples] each, None until it is."""

    utterance: Utterance
    samples: list[NDArray[np.float32] | None]


class Attempt:
    """One call of `Replica.speak`.

    encode_soon  hands work to the encoder threads
    report       is told of everything as it happens, from any thread
    """

    def __init__(
        self,
        model: Model,
        config: ReplicaConfig,
        part: PartWriter,
        encode_soon: Callable[[partial[Record]], Future[Record]],
        report: Callable[[ReplicaProgress], None],
    ) -> None:
        self._model = model
        self._config = config
        self._part = part
        self._encode_soon = encode_soon
        self._report = report
        self._adding = threading.Lock()
        self._waiting: dict[int, _Pieces] = {}
        self._clips: list[Future[Record]] = []
        self._failed: list[Record] = []
        self._spoken_last: Segment | None = None
        self._surprise: Exception | None = None
        self._spent = ReplicaProgress()
        self._num_splits = 0

    def synthesise(self, utterances: Sequence[Utterance]) -> None:
        """Speak everything; a clip goes to the encoder as soon as its last segment is there."""
        segments = [segment for utterance in utterances for segment in self._segments(utterance)]
        for batch in pack_segments(segments, self._limit()):
            for segment, samples in self._speak(batch):
                pieces = self._waiting.get(segment.row)
                if pieces is None:
                    continue  # another segment of the row has failed
                pieces.samples[segment.index] = samples
                if all(piece is not None for piece in pieces.samples):
                    del self._waiting[segment.row]
                    self._clips.append(self._encode_soon(partial(self._encode, pieces)))
        assert not self._waiting, f"rows without an end: {sorted(self._waiting)[:5]}"
        self._raise_if_broken()

    def finish(self) -> Receipt:
        """Wait for the encoders, store the part, account for every row."""
        records = self._failed + [clip.result() for clip in self._clips]
        self._part.close()
        num_ok = sum(record.status == "ok" for record in records)
        return Receipt(
            num_ok=num_ok,
            num_failed=len(records) - num_ok,
            audio_ms=sum(record.audio_ms for record in records),
            synthesis_s=self._spent.synthesis_s,
            num_splits=self._num_splits,
            cells_filled=self._spent.cells_filled,
            cells_total=self._spent.cells_total,
            bytes_written=sum(record.audio_bytes or 0 for record in records),
            manifest=encode_records(records),
        )

    def abort(self) -> None:
        """Drop the clips that no encoder has begun, and forget the part."""
        for clip in self._clips:
            clip.cancel()
        with self._adding:
            self._part.abort()

    def _raise_if_broken(self) -> None:
        """Raise the last surprise if nothing has worked since: a segment that was spoken before is the proof."""
        if self._surprise is None:
            return
        if self._spoken_last is None:
            raise self._surprise
        try:
            self._model.speak([self._spoken_last])
        except Exception as error:
            raise self._surprise from error

    def _limit(self) -> BatchLimit:
        info, rows = self._model.info, self._config.batch_rows
        return info.batch_limit if rows is None else BatchLimit(rows, rows * info.max_length)

    def _segments(self, utterance: Utterance) -> list[Segment]:
        info = self._model.info
        try:
            segments = fit_segments(utterance, info.split_chars, info.max_length, self._model.prepare)
        except (JobError, RunStopped):
            raise
        except Exception as error:
            self._fail(utterance, self._reason(error))
            return []
        self._waiting[utterance.row] = _Pieces(utterance, [None] * len(segments))
        return segments

    def _speak(self, batch: Sequence[Segment]) -> list[tuple[Segment, NDArray[np.float32]]]:
        """The batch's waveforms, without those that could not be spoken."""
        began = time.perf_counter()
        try:
            waves = self._model.speak(batch)
        except (JobError, RunStopped):
            raise
        except Exception as error:
            return self._halve(batch, error)
        if len(waves) != len(batch):
            raise JobError(f"model {self._model.info.name} gave {len(waves)} clips for {len(batch)} segments")
        filled, total = num_cells(batch)
        spent = ReplicaProgress(synthesis_s=time.perf_counter() - began, cells_filled=filled, cells_total=total)
        self._surprise, self._spoken_last = None, batch[-1]
        self._spent += spent
        self._report(spent)
        return list(zip(batch, waves, strict=True))

    def _halve(self, batch: Sequence[Segment], error: Exception) -> list[tuple[Segment, NDArray[np.float32]]]:
        if len(batch) > 1:
            self._num_splits += 1
            middle = len(batch) // 2
            return self._speak(batch[:middle]) + self._speak(batch[middle:])
        reason = self._reason(error)
        pieces = self._waiting.pop(batch[0].row, None)
        if pieces is not None:
            self._fail(pieces.utterance, reason)
        return []

    def _reason(self, error: Exception) -> str:
        """Why a row failed; an error that no model should raise is remembered, the device may be at fault."""
        if isinstance(error, (RowError, BatchOutOfMemory)):
            return str(error) or type(error).__name__
        self._surprise = error
        return f"{type(error).__name__}: {error}"

    def _encode(self, pieces: _Pieces) -> Record:
        """One clip: joined, encoded, hashed and added to the part. Runs in an encoder thread."""
        utterance, info, config = pieces.utterance, self._model.info, self._config
        try:
            pcm = pcm16(join([p for p in pieces.samples if p is not None], info.sample_rate, config.pause_s))
            encoded = encode(pcm, info.sample_rate, config.audio_format)
        except RowError as error:
            self._report(ReplicaProgress(rows=1, failed=1))
            return self._record(utterance, error=self._reason(error))
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

    def _fail(self, utterance: Utterance, reason: str) -> None:
        self._failed.append(self._record(utterance, error=reason))
        self._report(ReplicaProgress(rows=1, failed=1))

    def _record(self, utterance: Utterance, error: str | None = None, **audio: Any) -> Record:
        info = self._model.info
        return Record(
            row=utterance.row,
            status="ok" if error is None else "failed",
            error=error,
            model=info.name,
            model_revision=info.revision,
            **self._described(utterance),
            **audio,
        )

    def _described(self, utterance: Utterance) -> dict[str, Any]:
        """What a record and a sidecar both say of the row itself."""
        return {
            "id": utterance.id,
            "text": utterance.text,
            "voice": utterance.voice or self._model.info.default_voice,
            "seed": utterance.seed,
            "speed": utterance.speed,
            "metadata": dict(utterance.metadata),
        }
