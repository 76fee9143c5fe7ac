"""Samples to the bytes of one stream while the audio is still being made, for a response that is sent in pieces.

Guaranteed: the bytes depend on the samples alone, not on how they were split; what was handed out is never taken
back, so headers say that the length is unknown; the stream is valid, and so is its beginning, cut after any piece.
At 24 kHz at most this much audio is held back (measured): pcm and wav none, flac 48 ms, opus 88 ms, mp3 128 ms.
Not known here: requests, connections, what makes the audio. Nothing is resampled.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import soundfile

from ...errors import RowRejected, SpecError
from .encoding import FORMATS
from .ogg import with_serial

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

LIVE_FORMATS = ("pcm", "wav", "flac", "opus", "mp3")

_MAX_RATE = 0x7FFFFFFF
"""Hz: a WAV header gives the bytes per second, two a sample, in 32 bits."""

_FLAC_MAX_RATE = 655350
"""Hz: a frame's header gives the rate itself up to 65535, and above that a tenth of it."""

_OGG_PAGE_MS = 60.0
"""Three packets a page. libsndfile's own 1000 ms would hold back a second of speech; 50 is the least it takes, and
the page headers cost 6 % more bytes."""

_OGG_SERIAL = 1
"""Any constant does, for equal audio to give equal bytes; of 0 opusinfo says that some programs stumble over it."""

_MP3_LEVELS = ((32000, 0.777), (16000, 0.631), (0, 0.57))
"""Lowest rate in Hz, and libsndfile's level for 96, 64 and 32 kb/s: about what a variable bit rate comes to. At
a constant one LAME makes the audio 0.4 dB quieter, so that it does not clip."""

# sndfile.h's numbers; soundfile has no names for them.
_UPDATE_HEADER_NOW = 0x1060
_SET_OGG_PAGE_LATENCY_MS = 0x1302


class LiveEncoder:
    """Encodes int16 [num_samples], one channel, into the bytes of one stream, in pieces.

    Of 0 samples come the header alone (wav, flac) or no bytes at all (pcm, opus, mp3). Threads may share an encoder:
    a call waits for the one that is running. ValueError says that `finish` or `close` came before.

    Attributes:
        mime: The stream's media type, for a Content-Type header
    """

    mime: str

    def __init__(self, name: str, sample_rate: int) -> None:
        """Begin a stream of that format at `sample_rate` Hz.

        Raises:
            SpecError: For a name that is not in LIVE_FORMATS and for a rate that the format cannot hold
        """
        _check(name, sample_rate)
        # No media type is registered for little-endian samples: those of audio/L16 are big-endian (RFC 2586).
        pcm_mime = f"audio/pcm;rate={sample_rate};encoding=signed-int;bits=16"
        self.mime = pcm_mime if name == "pcm" else FORMATS[name].mime
        self._lock = threading.Lock()
        self._is_open = True
        self._outbox = _OUTBOXES.get(name, _Outbox)()
        self._file: soundfile.SoundFile | None = None
        if name == "wav":
            self._outbox.write(wav_header(sample_rate))
        elif name != "pcm":
            self._file = _open(name, sample_rate, self._outbox)

    def feed(self, pcm: NDArray[np.int16]) -> bytes:
        """Take int16 [num_samples], any number of them; what can be sent now, which may be nothing yet.

        Raises:
            TypeError: For another kind of number
            ValueError: Once the stream has ended
        """
        samples = pcm.astype(np.int16, order="C", casting="equiv", copy=False)
        with self._lock:
            self._check_open()
            if self._file is None:
                self._outbox.write(samples.astype("<i2", copy=False).tobytes())
            else:
                _write(self._file, samples)
            return self._outbox.take()

    def finish(self) -> bytes:
        """End the stream: all that is still to be sent.

        Raises:
            ValueError: If it has ended before
        """
        with self._lock:
            self._check_open()
            has_begun = self._outbox.tell() > 0
            self._end()
            # Of an Opus stream without samples libsndfile makes headers without an end, which decoders refuse.
            return self._outbox.take() if has_begun else b""

    def close(self) -> None:
        """Drop the stream and what it holds, at any time, as often as one likes."""
        with self._lock:
            self._end()
            self._outbox.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._is_open = False
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError("this stream of audio has ended; another one needs another LiveEncoder")


def wav_header(sample_rate: int) -> bytes:
    """The header of 16-bit mono whose length is not known: both sizes are the largest number."""
    unknown = 0xFFFFFFFF
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", unknown, b"WAVE") + fmt + struct.pack("<4sI", b"data", unknown)


class _Outbox:
    """The file that libsndfile writes to: bytes are added at its end, and stay as they are.

    At the end of a stream libsndfile goes back to enter lengths and a hash. What it then writes is dropped, even if
    the header is still here: otherwise the bytes would depend on how the samples were split.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._position = self._end = 0

    def write(self, data: bytes) -> int:
        if self._position == self._end:
            self._waiting += data
            self._end += len(data)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = (0, self._position, self._end)[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def clear(self) -> None:
        self._waiting.clear()

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self.clear()
        return data


class _OggOutbox(_Outbox):
    def take(self) -> bytes:
        return with_serial(super().take(), _OGG_SERIAL)  # one call of libsndfile writes whole pages


class _Mp3Outbox(_Outbox):
    """Leaves out the frame at the head of an MP3 that LAME keeps empty, to enter the stream's length at the end.

    It would sound, as silence. Programs that write an MP3 into a pipe leave it out too.
    """

    _has_begun = False

    def take(self) -> bytes:
        if not self._has_begun:
            first = self._waiting.find(b"\xff", 4)
            if first < 0:
                return b""
            assert not any(self._waiting[4:first]), "an MP3 begins with LAME's empty frame"
            del self._waiting[:first]
            self._has_begun = True
        return super().take()


_OUTBOXES = {"opus": _OggOutbox, "mp3": _Mp3Outbox}


def _check(name: str, sample_rate: int) -> None:
    if name not in LIVE_FORMATS:
        raise SpecError(f"{name!r} is no format of live audio; choose one of {', '.join(LIVE_FORMATS)}")
    rates = FORMATS[name].sample_rates if name in FORMATS else ()
    can_hold, allowed = sample_rate in rates, ", ".join(map(str, rates))
    if name == "flac":
        can_hold = 0 < sample_rate <= 65535 or (sample_rate % 10 == 0 and 0 < sample_rate <= _FLAC_MAX_RATE)
        allowed = f"1 to 65535, and multiples of 10 to {_FLAC_MAX_RATE}"
    elif not rates:
        can_hold, allowed = 0 < sample_rate <= _MAX_RATE, f"1 to {_MAX_RATE}"
    if not can_hold:
        raise SpecError(f"{name} cannot hold audio of {sample_rate} Hz (it holds {allowed}); pcm and wav hold any rate")


def _open(name: str, sample_rate: int, outbox: _Outbox) -> soundfile.SoundFile:
    """Levels are those of FORMATS, but for MP3: a variable bit rate saves bits in silence for what comes after it,
    and so holds silence back, 656 ms of it at 24 kHz; a constant one fills it up, and holds back 128 ms.
    """
    chosen = FORMATS[name]
    is_mp3 = chosen.container == "MP3"
    level = next(level for lowest, level in _MP3_LEVELS if sample_rate >= lowest) if is_mp3 else chosen.level
    file = soundfile.SoundFile(
        cast("Any", outbox),
        "w",
        sample_rate,
        1,
        chosen.subtype,
        format=chosen.container,
        compression_level=level,
        bitrate_mode="CONSTANT" if is_mp3 else None,
    )
    if chosen.container == "OGG":
        _command(file, _SET_OGG_PAGE_LATENCY_MS, _OGG_PAGE_MS)
    if chosen.container == "FLAC":  # libsndfile writes the header with the first sample, and there may be none
        _command(file, _UPDATE_HEADER_NOW)
    return file


def _command(file: soundfile.SoundFile, command: int, value: float = 0.0) -> None:
    """Tell libsndfile what soundfile has no method for."""
    ffi, library = soundfile._ffi, soundfile._snd  # pyright: ignore[reportPrivateUsage]
    data = ffi.new("double *", value)
    library.sf_command(file._file, command, data, ffi.sizeof("double"))  # pyright: ignore[reportPrivateUsage]


def _write(file: soundfile.SoundFile, samples: NDArray[np.int16]) -> None:
    try:
        file.write(samples)
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
        raise RowRejected(f"{len(samples)} samples could not be encoded: {error}") from error
