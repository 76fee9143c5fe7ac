"""Samples to AAC in an ADTS stream, while the audio is still being made.

libsndfile writes no AAC, so this format needs PyAV, the bindings of FFmpeg's libraries: the extra `aac` of the package.
Guaranteed: the bytes depend on the samples alone, not on how they were split.
"""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import RowRejected, SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

AAC = "aac"
MIME = "audio/aac"
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Hz that an ADTS header can name."""

_MAX_BIT_RATE = 64_000
_BITS_PER_SAMPLE = 4
"""A frame of 1024 samples holds at most 6144 bits."""


def has_aac() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class AacEncoder:
    """Encodes int16 [num_samples], one channel, into one ADTS stream; the interface is that of `LiveEncoder`.

    Raises:
        SpecError: AAC cannot hold the rate, or PyAV is not installed
    """

    mime = MIME

    def __init__(self, sample_rate: int) -> None:
        if sample_rate not in RATES:
            raise SpecError(f"aac cannot hold audio of {sample_rate} Hz (it holds {', '.join(map(str, RATES))})")
        if not has_aac():
            raise SpecError("aac needs PyAV, which the extra speechmill[aac] installs")
        self._sample_rate = sample_rate
        self._outbox = _Outbox()
        self._container: Any = None
        self._stream: Any = None
        self._lock = threading.Lock()
        self._is_open = True

    def feed(self, pcm: NDArray[np.int16]) -> bytes:
        """Take int16 [num_samples]; the bytes that are ready, which may be none."""
        with self._lock:
            self._check_open()
            if len(pcm):
                self._mux(self._frame(pcm))
            return self._outbox.take()

    def finish(self) -> bytes:
        """End the stream: the last bytes."""
        with self._lock:
            self._check_open()
            if self._container is not None:
                self._mux(None)
            self._end()
            return self._outbox.take()

    def close(self) -> None:
        """Drop the stream, at any time and as often as needed."""
        with self._lock:
            self._end()
            self._outbox.take()

    def _frame(self, pcm: NDArray[np.int16]) -> Any:
        import av

        # The encoder takes float32 planes: [num_channels, num_samples].
        plane = (pcm.astype(np.float32) / np.float32(32768)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(plane, format="fltp", layout="mono")
        frame.sample_rate = self._sample_rate
        return frame

    def _mux(self, frame: Any) -> None:
        import av
        from av.error import FFmpegError

        try:
            if self._container is None:
                self._container = av.open(self._outbox, "w", format="adts")
                bit_rate = min(_MAX_BIT_RATE, _BITS_PER_SAMPLE * self._sample_rate)
                self._stream = self._container.add_stream(
                    "aac", rate=self._sample_rate, layout="mono", bit_rate=bit_rate
                )
            self._container.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise RowRejected(f"samples could not be encoded as aac: {error}") from error

    def _end(self) -> None:
        self._is_open = False
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError("this stream of audio has ended; another one needs another AacEncoder")


class _Outbox:
    """The file that FFmpeg writes to. It has no `seek`, so that bytes are only added at its end."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data
