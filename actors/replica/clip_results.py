"""The rows of one attempt become clips: pieces are joined, encoded, added to the part. Each row ends exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import RowError
from ..audio.aligned_wave import row_alignment
from ..audio.encoding import encode, join, pcm16, pcm_sha256, sha256
from ..models.base import ModelInfo
from ..records.manifest import SIDECAR, Record
from ..records.part import PartWriter
from .receipt import JobConfig, ReplicaProgress
from .row_results import Pieces, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Clips(Rows["NDArray[np.float32]"]):
    """Rows on their way into the part; a piece is the samples of a segment, float32 [num_samples].

    Args:
        encode_soon: Gives work to the encoder threads
        report: Called with each progress, from any thread
    """

    def __init__(
        self,
        info: ModelInfo,
        config: JobConfig,
        part: PartWriter,
        encode_soon: Callable[[partial[Record]], Future[Record]],
        report: Callable[[ReplicaProgress], None],
    ) -> None:
        super().__init__(info, report)
        self._config, self._part, self._encode_soon = config, part, encode_soon
        self._adding = threading.Lock()
        self._clips: list[Future[Record]] = []

    def finish(self) -> Sequence[Record]:
        """Wait for the encoders and store the part; a record of every row."""
        records = self._failed + [clip.result() for clip in self._clips]
        self._part.close()
        return records

    def abort(self) -> None:
        """Drop the clips that no encoder has begun, and abort the part."""
        for clip in self._clips:
            clip.cancel()
        with self._adding:
            self._part.abort()

    def _complete(self, pieces: Pieces[NDArray[np.float32]]) -> None:
        self._clips.append(self._encode_soon(partial(self._encode, pieces)))

    def _encode(self, pieces: Pieces[NDArray[np.float32]]) -> Record:
        """Join, encode, hash and store one clip. Runs in an encoder thread."""
        utterance, info, config = pieces.utterance, self._info, self._config
        try:
            pcm = pcm16(join(pieces.made, info.sample_rate, pieces.pauses_s))
            encoded = encode(pcm, info.sample_rate, config.audio_format)
        except RowError as error:
            self._report(ReplicaProgress(rows=1, failed=1))
            return self._record(utterance, error=str(error) or type(error).__name__)
        audio: dict[str, Any] = {
            "sample_rate": info.sample_rate,
            "num_samples": len(pcm),
            "duration_s": len(pcm) / info.sample_rate,
        }
        told = self._described(utterance) | audio
        sidecar = {name: told[name] for name in SIDECAR}
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
            num_segments=len(pieces.pieces),
            unspoken=pieces.unspoken,
            normalized_text=pieces.spoken.text if info.takes_words else None,
            alignment=row_alignment(pieces.made, pieces.pauses_s, info.sample_rate) if config.alignment else None,
            **audio,
        )
