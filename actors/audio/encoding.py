"""Samples to bytes and back: 16-bit samples, their hash, four encodings, and joining the pieces of a row.

Guaranteed: the same samples give the same bytes in every format with the same libsndfile, Opus included (its
random Ogg serial number is replaced, see `_ogg.py`); `pcm16(decode(encode(pcm)))` is `pcm` for lossless formats;
every format gives back as many samples as it was given. Bytes that are decoded may come from anyone.
Not known here: rows, files, storage, loudness. Nothing is resampled: a rate that a format cannot hold is refused.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import soundfile

from ...errors import RowRejected, SpecError
from .ogg import with_serial

if TYPE_CHECKING:
    from numpy.typing import NDArray

PCM_SCALE = 32767
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MOST_WAV_BYTES = 1 << 31
"""Longer ones are left to libsndfile."""
_BLOCK_FRAMES = 1 << 16
MAX_DECODED_SAMPLES = 1 << 29
"""Two gigabytes of float32, three hours and more at 48 kHz: more than any clip, less than a machine's memory."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An encoding of mono audio.

    Attributes:
        is_lossless: Decoding gives back the very 16-bit samples
        sample_rates: Hz that it can hold; empty when it holds any
        tolerance_samples: How far a decoder's length may be off. libsndfile's own is exact in every format (measured);
            the margin is for decoders that ignore an MP3's or Opus stream's padding marks
        level: soundfile's compression_level, None for the library's default
    """

    name: str
    extension: str
    mime: str
    is_lossless: bool
    container: str
    subtype: str
    sample_rates: tuple[int, ...] = ()
    tolerance_samples: int = 0
    level: float | None = None

    def check(self, sample_rate: int) -> None:
        """Raise SpecError when the format cannot hold audio of `sample_rate` Hz."""
        if sample_rate <= 0 or (self.sample_rates and sample_rate not in self.sample_rates):
            allowed = ", ".join(map(str, self.sample_rates)) or "any positive rate"
            raise SpecError(
                f"output.audio: {self.name} cannot hold audio of {sample_rate} Hz (it holds {allowed}); "
                "choose flac or wav, which hold every rate"
            )


_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

# Levels were chosen on English speech at 24 kHz, by milliseconds of one core per second of audio. FLAC: level 2
# costs 0.24 for 48.6 % of WAV's size, level 8 costs 0.49 for 47.8 %. Opus: at libsndfile's default, 34 kb/s,
# libopus models speech for 34 ms, about what speaking it costs; above 45 kb/s it codes spectra in 13 ms, and better.
FORMATS: Mapping[str, AudioFormat] = {
    "wav": AudioFormat("wav", "wav", "audio/wav", True, "WAV", "PCM_16"),
    "flac": AudioFormat("flac", "flac", "audio/flac", True, "FLAC", "PCM_16", level=0.25),
    "opus": AudioFormat(
        "opus", "opus", "audio/ogg", False, "OGG", "OPUS", (8000, 12000, 16000, 24000, 48000), 960, 0.8
    ),
    "mp3": AudioFormat("mp3", "mp3", "audio/mpeg", False, "MP3", "MPEG_LAYER_III", _MPEG_RATES, 2304),
}


def format_of(name: str) -> AudioFormat:
    """The format of that name.

    Raises:
        SpecError: For an unknown one
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise SpecError(f"output.audio: {name!r} is no audio format; choose one of {', '.join(FORMATS)}") from None


def pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round float32 [num_samples] to int16 [num_samples]: clipped to -1 … 1, times 32767, half to even.

    Raises:
        RowRejected: For samples that are not one-dimensional or not finite
    """
    if samples.ndim != 1:
        raise RowRejected(f"audio has shape {samples.shape}; one channel of samples, [num_samples], is expected")
    is_good = np.isfinite(samples)
    if not is_good.all():
        num_bad = samples.size - np.count_nonzero(is_good)
        raise RowRejected(f"{num_bad} of {samples.size} samples are not finite numbers; the model's output is broken")
    scaled = np.clip(samples, -1.0, 1.0)
    scaled *= PCM_SCALE
    return np.rint(scaled, out=scaled).astype(np.int16)


def pcm_sha256(pcm: NDArray[np.int16]) -> str:
    """SHA-256 of the samples as little-endian 16-bit integers, in hex: what "the same audio" means."""
    return hashlib.sha256(np.ascontiguousarray(pcm, "<i2").data).hexdigest()


def sha256(data: bytes) -> str:
    """SHA-256 of an encoded clip, in hex."""
    return hashlib.sha256(data).hexdigest()


def encode(pcm: NDArray[np.int16], sample_rate: int, audio_format: str) -> bytes:
    """Encode int16 [num_samples] at `sample_rate` Hz; the same samples always give the same bytes.

    Raises:
        RowRejected: If there are no samples
        SpecError: For an unknown format or a rate that it cannot hold
    """
    chosen = format_of(audio_format)
    chosen.check(sample_rate)
    if not len(pcm):
        raise RowRejected("no audio: the model gave 0 samples")
    if chosen.name == "wav" and pcm.nbytes < _MOST_WAV_BYTES:
        return _wav(pcm, sample_rate)
    buffer = io.BytesIO()
    try:
        soundfile.write(
            buffer, pcm, sample_rate, chosen.subtype, format=chosen.container, compression_level=chosen.level
        )
    except soundfile.SoundFileError as error:
        raise RowRejected(f"{len(pcm)} samples could not be encoded as {chosen.name}: {error}") from error
    return with_serial(buffer.getvalue(), 0) if chosen.container == "OGG" else buffer.getvalue()


def _wav(pcm: NDArray[np.int16], sample_rate: int) -> bytes:
    """A RIFF file of 16-bit mono, the bytes that libsndfile writes. It takes microseconds, a file object of Python's
    a third of what a replica spends on a row beside the model.
    """
    data = pcm.astype("<i2", copy=False).tobytes()
    header = _WAV_HEADER.pack(
        *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, b"data", len(data))
    )
    return header + data


def decode(data: bytes, max_samples: int = MAX_DECODED_SAMPLES) -> tuple[NDArray[np.float32], int]:
    """Decode a file of any format to float32 [num_samples] in -1 … 1 (channels averaged), and its rate in Hz.

    16-bit samples come back as k / 32767, so that `pcm16` gives exactly k again.

    Raises:
        RowRejected: For bytes that are no audio and for more than `max_samples` samples, before decoding them
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            num_values = file.frames * file.channels
            if not 0 <= num_values <= max_samples:
                raise RowRejected(f"audio of {num_values} samples where at most {max_samples} are expected")
            is_pcm16 = file.subtype == "PCM_16"
            dtype = "int16" if is_pcm16 else "float32"
            sample_rate = int(file.samplerate)
            if file.channels == 1:
                samples = file.read(dtype=dtype)
            else:
                # Piece by piece [num_frames, num_channels], so that many channels take no more memory than one.
                pieces = file.blocks(_BLOCK_FRAMES, dtype=dtype, always_2d=True)
                averaged = [piece.mean(axis=1, dtype=np.float32) for piece in pieces]
                samples = np.concatenate(averaged) if averaged else np.zeros(0, np.float32)
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        raise RowRejected(f"{len(data)} bytes that do not decode as audio: {error}") from error
    if is_pcm16:
        samples = samples.astype(np.float32) / np.float32(PCM_SCALE)
    return np.clip(cast("NDArray[np.float32]", samples), -1.0, 1.0), sample_rate


def join(pieces: Sequence[NDArray[np.float32]], sample_rate: int, pauses_s: Sequence[float]) -> NDArray[np.float32]:
    """Join the segments of an utterance, float32 [num_samples] each, with seconds of silence before each one.

    Raises:
        SpecError: For a pause that is negative or not finite
    """
    pauses = (silence(sample_rate, pause_s) for pause_s in pauses_s)
    parts = [part for pause, piece in zip(pauses, pieces, strict=True) for part in (pause, piece)]
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, dtype=np.float32)


def silence(sample_rate: int, pause_s: float) -> NDArray[np.float32]:
    """The pause between two segments: zeros float32 [num_samples].

    Raises:
        SpecError: For a pause that is negative or not finite
    """
    if not 0 <= pause_s < float("inf"):
        raise SpecError(f"a pause of {pause_s} s between segments; it has to be 0 or more")
    return np.zeros(round(pause_s * sample_rate), dtype=np.float32)
