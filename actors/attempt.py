"""One attempt at one part: segments out of utterances, batches through the model, clips into the part.

Every utterance ends in the receipt exactly once, spoken or failed with its reason. A batch that is out of memory is
packed again, smaller, with all that is left; one that fails otherwise is halved down to the row that fails, so that one
bad row costs nobody else. If not one row could be spoken, and not for reasons of their own, the error is raised
instead: then the replica is at fault, not the rows. The same goes for a device that breaks in mid-part: what failed for
no reason of its own is only believed if the model still works afterwards.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import BatchOutOfMemory, JobError, RowError, RunStopped
from .audio import encode, join, pcm16, pcm_sha256, sha256
from .batcher.budget import size
from .batcher.fit import Shape
from .batcher.memory import is_out_of_memory
from .batcher.packing import num_cells, pack_segments
from .batcher.stats import BatchStats
from .manifest import Record, encode_records
from .part import PartWriter
from .receipt import Receipt, ReplicaConfig, ReplicaProgress
from .segment import Segment, Utterance
from .text import fit_segments
from .tuning import Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Spoken = list[tuple[Segment, "NDArray[np.float32]"]]


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
        voice: Voice,
        config: ReplicaConfig,
        part: PartWriter,
        encode_soon: Callable[[partial[Record]], Future[Record]],
        report: Callable[[ReplicaProgress], None],
    ) -> None:
        self._model, self._tuner, self._memory = voice.model, voice.tuner, voice.memory
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
        self._stats = BatchStats(bound_bytes=voice.tuner.bound_bytes)
        self._busy_s = 0.0

    @property
    def batches(self) -> BatchStats:
        """What became of the batches so far."""
        return self._stats

    def synthesise(self, utterances: Sequence[Utterance]) -> None:
        """Speak everything; a clip goes to the encoder as soon as its last segment is there."""
        began = time.perf_counter()
        segments = [segment for utterance in utterances for segment in self._segments(utterance)]
        todo = deque(pack_segments(segments, self._tuner.pack))
        while todo:
            batch = todo.popleft()
            try:
                spoken = self._speak(batch)
            except (JobError, RunStopped):
                raise
            except Exception as error:
                failure = error
            else:
                self._collect(spoken)
                continue
            # Out of the handler: the error's frames hold the batch's tensors until it is forgotten.
            todo = self._after_failure(batch, failure, todo)
        assert not self._waiting, f"rows without an end: {sorted(self._waiting)[:5]}"
        self._raise_if_broken()
        self._busy_s += time.perf_counter() - began

    def finish(self) -> Receipt:
        """Wait for the encoders, store the part, account for every row."""
        records = self._failed + [clip.result() for clip in self._clips]
        self._part.close()
        num_ok = sum(record.status == "ok" for record in records)
        return Receipt(
            num_ok=num_ok,
            num_failed=len(records) - num_ok,
            audio_ms=sum(record.audio_ms for record in records),
            busy_s=self._busy_s,
            batches=self._stats,
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

    def _speak(self, batch: Sequence[Segment]) -> Spoken:
        """The batch's waveforms. Raises whatever the model does."""
        filled, total = num_cells(batch)
        shape = Shape(len(batch), total // len(batch))
        tuner, memory = self._tuner, self._memory
        predicted = tuner.predict(shape)
        if memory is not None and not memory.is_main:
            memory.watch()
        elif memory is not None and len(batch) == 1 and not tuner.can_ever_fit(shape):
            # Nothing would raise here: the system would end the process.
            raise BatchOutOfMemory("it is not tried where memory has no other bound")
        began = time.perf_counter()
        waves = self._model.speak(batch)
        seconds = time.perf_counter() - began
        if len(waves) != len(batch):
            raise JobError(f"model {self._model.info.name} gave {len(waves)} clips for {len(batch)} segments")
        peak = memory.peak() if memory is not None else 0
        if memory is not None and memory.is_main:
            tuner.spoke(shape, seconds)
            tuner.held(shape, peak)
        else:
            tuner.spoke(shape, seconds, peak - tuner.resident_bytes if memory is not None else None)
        self._surprise, self._spoken_last = None, batch[-1]
        self._count(
            BatchStats(
                num_batches=1,
                num_rows=len(batch),
                cells_filled=filled,
                cells_total=total,
                synthesis_s=seconds,
                predicted_s=predicted.seconds,
                peak_bytes=peak,
                predicted_bytes=predicted.peak_bytes,
            )
        )
        return list(zip(batch, waves, strict=True))

    def _collect(self, spoken: Spoken) -> None:
        for segment, samples in spoken:
            pieces = self._waiting.get(segment.row)
            if pieces is None:
                continue  # another segment of the row has failed
            pieces.samples[segment.index] = samples
            if all(piece is not None for piece in pieces.samples):
                del self._waiting[segment.row]
                self._clips.append(self._encode_soon(partial(self._encode, pieces)))

    def _after_failure(
        self, batch: Sequence[Segment], error: Exception, todo: deque[list[Segment]]
    ) -> deque[list[Segment]]:
        """What is to be spoken now that this batch has failed."""
        if isinstance(error, BatchOutOfMemory) or is_out_of_memory(error):
            return self._after_out_of_memory(batch, error, todo)
        if len(batch) > 1:
            self._count(BatchStats(num_splits=1))
            middle = len(batch) // 2
            todo.extendleft([list(batch[middle:]), list(batch[:middle])])
        else:
            self._give_up(batch[0], self._reason(error))
        return todo

    def _after_out_of_memory(
        self, batch: Sequence[Segment], error: Exception, todo: deque[list[Segment]]
    ) -> deque[list[Segment]]:
        """Free what can be freed, expect more of every batch from here on, and pack all that is left again."""
        shape = Shape(len(batch), max(segment.length for segment in batch))
        was_expected = not self._tuner.fits(shape)
        self._tuner.ran_out(shape)
        self._count(BatchStats(num_out_of_memory=1))
        if self._memory is not None:
            self._memory.release()
        if len(batch) > 1:
            return deque(pack_segments(chain(batch, *todo), self._tuner.pack))
        if not was_expected:
            self._surprise = error  # it should fit: believed only if the model still speaks
        predicted = self._tuner.predict(shape).peak_bytes
        needs = f", {size(predicted)} expected of {size(self._tuner.bound_bytes)}" if predicted else ""
        self._give_up(batch[0], f"a segment of {shape.longest} tokens does not fit into memory alone{needs}: {error}")
        return todo

    def _give_up(self, segment: Segment, reason: str) -> None:
        """The row fails, whatever became of its other segments."""
        pieces = self._waiting.pop(segment.row, None)
        if pieces is not None:
            self._fail(pieces.utterance, reason)

    def _count(self, stats: BatchStats) -> None:
        self._stats += stats
        self._report(ReplicaProgress(batches=stats))

    def _reason(self, error: Exception) -> str:
        """Why a row failed; an error that no model should raise is remembered, the device may be at fault."""
        if isinstance(error, RowError):
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
