"""The rows of one call become clips: joined, finished, judged, encoded, added to the part. Each row ends exactly once.

Guaranteed: a clip is encoded only after its verdict. What the judges reject is neither encoded nor stored nor counted,
but for the attempt that the job wants kept; its segments go to `Retries`, unless the row was handed back meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import RowError
from ..audio.aligned_wave import row_alignment
from ..audio.encoding import encode, join, pcm16, pcm_sha256, sha256
from ..audio.finishing import finish
from ..gate.attempts import Trial, are_alike, best_of, ending_of, error_of
from ..gate.gate import Gate, clip_of
from ..gate.stats import NO_GATE, GateStats
from ..models.base import ModelInfo
from ..records.part import PartWriter
from ..records.record import SIDECAR, Record
from ..records.utterance import Utterance
from .receipt import JobConfig, ReplicaProgress
from .retries import Retries
from .row_results import Pieces, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class _Sound:
    """The sound of a row as it would be stored.

    Attributes:
        pcm: int16 [num_samples] at `sample_rate` Hz
        cut_s: Seconds of silence that were trimmed off its start and end
    """

    pcm: NDArray[np.int16]
    sample_rate: int
    cut_s: tuple[float, float]


class Clips(Rows["NDArray[np.float32]"]):
    """Rows on their way into the part; a piece is the samples of a segment, float32 [num_samples].

    Args:
        encode_soon: Gives work to the encoder threads
        report: Called with each progress, from any thread
        gate: Judges clips; None for a job without judges
        retries: Takes the segments of rejected rows
    """

    def __init__(
        self,
        info: ModelInfo,
        config: JobConfig,
        part: PartWriter,
        encode_soon: Callable[[partial[Record | None]], Future[Record | None]],
        report: Callable[[ReplicaProgress], None],
        gate: Gate | None,
        retries: Retries,
    ) -> None:
        super().__init__(info, report)
        self._config, self._part, self._encode_soon = config, part, encode_soon
        self._gate, self._retries = gate, retries
        self._adding = threading.Lock()
        self._is_aborted = False
        self._clips: list[Future[Record | None]] = []
        self._judged: dict[int, Pieces[NDArray[np.float32]]] = {}
        self._trials: dict[int, list[Trial]] = {}
        self._stats = NO_GATE

    @property
    def is_open(self) -> bool:
        """Whether a row has not ended."""
        return bool(self._waiting or self._judged)

    @property
    def num_judged(self) -> int:
        """Rows that are spoken and whose verdict is not there yet."""
        return len(self._judged)

    @property
    def gate_stats(self) -> GateStats:
        """What the judges said so far."""
        return self._stats

    def hand_back(self) -> tuple[int, ...]:
        """Drop the rows that have not ended; their numbers, in order. Their verdicts, when they come, count nothing."""
        with self._guard:
            judged = tuple(self._judged)
            self._judged.clear()
            return tuple(sorted((*super().hand_back(), *judged)))

    def fail(self, utterance: Utterance, reason: str) -> None:
        """Fail a row, with what the judges said of its earlier attempts."""
        if utterance.row in self._trials:
            with self._guard:
                self._stats += GateStats(num_attempts=len(self._trials[utterance.row]), num_rejected=1)
        self._failed.append(self._record(utterance, error=reason, **self._told(utterance)))
        self._report(ReplicaProgress(rows=1, failed=1))

    def finish(self) -> Sequence[Record]:
        """Wait for the encoders and store the part; a record of every row."""
        ended = [clip.result() for clip in self._clips]
        self._part.close()
        return self._failed + [record for record in ended if record is not None]

    def abort(self) -> None:
        """Drop the clips that no encoder has begun, and abort the part."""
        self.hand_back()  # so that no other call speaks what this one has to speak again
        for clip in self._clips:
            clip.cancel()
        with self._adding:
            self._is_aborted = True
            self._part.abort()

    def _begin_judging(self, pieces: Pieces[NDArray[np.float32]]) -> None:
        if self._gate is not None:
            self._judged[pieces.utterance.row] = pieces

    def _complete(self, pieces: Pieces[NDArray[np.float32]]) -> None:
        self._clips.append(self._encode_soon(partial(self._end, pieces)))

    def _end(self, pieces: Pieces[NDArray[np.float32]]) -> Record | None:
        """The record of a spoken row; None if it is spoken again, here or elsewhere. Runs in an encoder thread."""
        if self._gate is None:
            return self._encode(pieces, self._pcm(pieces))
        try:
            return self._judge(self._gate, pieces)
        finally:  # after an error too: no call may wait for this verdict
            with self._guard:
                if self._judged.get(pieces.utterance.row) is pieces:
                    del self._judged[pieces.utterance.row]
            self._retries.notify()

    def _pcm(self, pieces: Pieces[NDArray[np.float32]]) -> _Sound | RowError:
        """The sound that would be stored, or why there is none."""
        rate = self._info.sample_rate
        try:
            clip = finish(join(pieces.made, rate, pieces.pauses_s), rate, self._config.finishing)
            return _Sound(pcm16(clip.samples), clip.sample_rate, (clip.cut_s, clip.cut_end_s))
        except RowError as error:
            return error

    def _judge(self, gate: Gate, pieces: Pieces[NDArray[np.float32]]) -> Record | None:
        """The record of a spoken row once it is judged; None if it is spoken again, here or elsewhere."""
        utterance, sound = pieces.utterance, self._pcm(pieces)
        if isinstance(sound, RowError) or not len(sound.pcm):
            with self._guard:
                is_here = self._judged.pop(utterance.row, None) is not None
            return self._encode(pieces, sound) if is_here else None
        trial, stats = self._heard(gate, pieces, sound)
        ending = ending_of(gate.config, trial)
        again = pieces.again() if ending == "again" else None
        with self._guard:
            if self._judged.pop(utterance.row, None) is None:
                return None  # handed back: it is spoken elsewhere, with the same outcome
            trials = self._trials.setdefault(utterance.row, [])
            trials.append(trial)
            stats += _ended(trials, ending)
            self._stats += stats
            if again is not None:
                self._waiting[utterance.row] = again
        if again is not None:
            self._retries.add(self, again.segments)
        self._report(ReplicaProgress(gate=stats))
        if ending == "again":
            return None
        if ending == "fail":
            self._report(ReplicaProgress(rows=1, failed=1))
            return self._record(utterance, error=error_of(trials), **self._told(utterance))
        if trial.verdict.name == "rejected":
            trial = best_of(trials)
            assert trial.pcm is not None, "a job that keeps rejected clips keeps their samples"
            sound = replace(sound, pcm=trial.pcm)
        return self._encode(pieces, sound, trial)

    def _heard(self, gate: Gate, pieces: Pieces[NDArray[np.float32]], sound: _Sound) -> tuple[Trial, GateStats]:
        """The verdict on an attempt, and what it cost."""
        info = self._info
        text = pieces.spoken.text if info.takes_words else pieces.utterance.text
        clip = clip_of(pieces.utterance, info, text, pieces.num_tokens, sound.pcm, sound.sample_rate, pieces.pauses_s)
        verdict, stats = gate.judge(replace(clip, cut_s=sound.cut_s))
        kept = sound.pcm if gate.config.keeps_rejected else None
        return Trial(pieces.attempt, verdict, len(sound.pcm) / sound.sample_rate, kept), stats

    def _encode(
        self, pieces: Pieces[NDArray[np.float32]], sound: _Sound | RowError, trial: Trial | None = None
    ) -> Record:
        """Encode, hash and store one clip.

        Args:
            trial: The attempt that the samples are of; None without judges

        Raises:
            CancelledError: The part was aborted
        """
        utterance, info, config = pieces.utterance, self._info, self._config
        try:
            if isinstance(sound, RowError):
                raise sound
            pcm, rate = sound.pcm, sound.sample_rate
            encoded = encode(pcm, rate, config.audio_format)
        except RowError as error:
            self._report(ReplicaProgress(rows=1, failed=1))
            return self._record(utterance, error=str(error) or type(error).__name__, **self._told(utterance))
        audio: dict[str, Any] = {
            "sample_rate": rate,
            "num_samples": len(pcm),
            "duration_s": len(pcm) / rate,
        }
        told = self._described(utterance) | audio
        sidecar = {name: told[name] for name in SIDECAR}
        with self._adding:
            if self._is_aborted:  # while the clip was encoded: the part would open its file anew, for no one to close
                raise CancelledError
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
            num_segments=len(pieces.pieces),
            unspoken=pieces.unspoken,
            normalized_text=pieces.spoken.text if info.takes_words else None,
            alignment=self._alignment(pieces, sound, trial),
            **self._told(utterance, trial),
            **audio,
        )

    def _alignment(
        self, pieces: Pieces[NDArray[np.float32]], sound: _Sound, trial: Trial | None
    ) -> list[tuple[str, float, float]] | None:
        """The words of the stored clip with their seconds; None if it is an earlier attempt, whose words are gone."""
        if not self._config.alignment or (trial is not None and trial.attempt != pieces.attempt):
            return None
        duration_s = len(sound.pcm) / sound.sample_rate
        rate = self._info.sample_rate
        return row_alignment(pieces.made, pieces.pauses_s, rate, cut_s=sound.cut_s[0], duration_s=duration_s)

    def _told(self, utterance: Utterance, stored: Trial | None = None) -> dict[str, Any]:
        """What a manifest says of the judges: of the stored attempt, or of the last one, and of the rejected ones."""
        trials = self._trials.pop(utterance.row, None)
        if not trials:
            return {}
        told = stored or trials[-1]
        return {
            "attempt": told.attempt,
            "verdict": told.verdict.name,
            "scores": told.verdict.scores,
            "heard": told.verdict.heard or None,
            "unheard_by": list(told.verdict.unheard_by) or None,
            "rejected": [trial.told for trial in trials if trial.verdict.name == "rejected"] or None,
        }


def _ended(trials: Sequence[Trial], ending: str) -> GateStats:
    """The row of these attempts, as it is counted once it has ended."""
    last, num_attempts = trials[-1], len(trials)
    if ending == "again":
        return NO_GATE
    match last.verdict.name:
        case "passed":
            return GateStats(num_attempts=num_attempts, passed=(0,) * last.attempt + (1,))
        case "unheard":
            return GateStats(num_attempts=num_attempts, num_unheard=1)
        case _:
            kept_s = best_of(trials).duration_s if ending == "store" else 0.0
            is_alike = int(are_alike(trials))
            return GateStats(num_attempts=num_attempts, num_rejected=1, num_alike=is_alike, vain_s=-kept_s)
