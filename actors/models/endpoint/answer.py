"""Answers to samples: WAV, FLAC or headless 16-bit PCM, from servers that are not trusted to send whole ones.

Guaranteed: an answer that ends before its own header says so is refused, never shortened speech; WAV of a server that
did not know the length when it began is read to its end. Not known here: HTTP, rows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....errors import RowRejected
from .options import AudioAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OPEN_BYTES = 0x7FFF_0000
"""A length of data from here on, or 0, stands for "until the end": it was written before the length was known."""


class BadAudio(Exception):
    """An answer that is no whole audio; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DecodedAnswer:
    """The audio of an answer: float32 [num_samples] in -1 … 1 at `sample_rate` Hz; None where only the job knows it."""

    samples: NDArray[np.float32]
    sample_rate: int | None


def decode_answer(data: bytes, audio_format: AudioAnswer, max_samples: int | None = None) -> DecodedAnswer:
    """The audio of a whole answer.

    Args:
        max_samples: Of all channels of a file; a small one may hold hours of silence. None: as many as a clip may have

    Raises:
        BadAudio: For anything else, and for more samples, before they are decoded
    """
    from ...audio.encoding import MAX_DECODED_SAMPLES, decode

    if not data:
        raise BadAudio("the answer is empty")
    if audio_format == "pcm":
        if data[:4] in (b"RIFF", b"fLaC", b"OggS") or data[:3] == b"ID3":
            raise BadAudio(f"the answer begins with {data[:4]!r}, which is a file, where plain pcm is expected")
        return DecodedAnswer(samples_of_pcm(data), None)
    magic = b"RIFF" if audio_format == "wav" else b"fLaC"
    if data[:4] != magic:
        raise BadAudio(f"the answer is no {audio_format}: it begins with {data[:12]!r}")
    try:
        samples, sample_rate = decode(
            _whole_wav(data) if audio_format == "wav" else data, max_samples or MAX_DECODED_SAMPLES
        )
    except RowRejected as error:
        raise BadAudio(str(error)) from error
    if audio_format == "flac" and len(samples) < _flac_frames(data):
        raise BadAudio(f"the answer ends after {len(samples)} of {_flac_frames(data)} samples")
    if not len(samples):
        raise BadAudio("the answer holds 0 samples")
    return DecodedAnswer(samples, sample_rate)


def samples_of_pcm(data: bytes) -> NDArray[np.float32]:
    """Samples float32 [num_samples] of 16-bit little-endian mono.

    Raises:
        BadAudio: For half of a sample
    """
    import numpy as np

    from ...audio.encoding import PCM_SCALE

    if len(data) % 2:
        raise BadAudio(f"the answer has {len(data)} bytes, which is no whole number of 16-bit samples")
    scaled = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(PCM_SCALE)
    return np.maximum(scaled, np.float32(-1.0))


def _whole_wav(data: bytes) -> bytes:
    """The same file with the true length of its data in the header.

    Raises:
        BadAudio: The data end before the length that the header says, or there are none
    """
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        there = len(data) - at - 8
        if name == b"data":
            if size == 0 or size >= _OPEN_BYTES:
                header = bytearray(data[: at + 8])
                struct.pack_into("<I", header, 4, min(len(data) - 8, 0xFFFF_FFFF))
                struct.pack_into("<I", header, at + 4, there)
                return bytes(header) + data[at + 8 :]
            if size > there:
                raise BadAudio(f"the answer ends after {there} of {size} bytes of audio")
            return data
        at += 8 + size + size % 2
    raise BadAudio(f"the answer is a WAV file of {len(data)} bytes without audio")


def _flac_frames(data: bytes) -> int:
    """Samples that the header of a FLAC file says (36 bits of STREAMINFO, RFC 9639, 8.2); 0 for an unknown number."""
    return int.from_bytes(data[21:26], "big") & 0xF_FFFF_FFFF
