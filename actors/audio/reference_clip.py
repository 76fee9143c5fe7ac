"""Recordings of voices, decoded and checked: any format and rate that libsndfile reads.

Guaranteed: bytes may come from anyone; what is too long is refused by its header, before a sample is decoded; what
comes back is finite, one channel, at a rate that can be resampled at little cost, and can be heard. The same bytes give
the same message. Not known here: where the bytes lay, and models.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from ...errors import RowRejected
from ..records.reference import Reference
from .encoding import decode

MAX_BYTES = 64 << 20
"""Of a file that rows and presets name: half a minute of two channels of 24 bits at 192 kHz takes less."""
MAX_TEXT_CHARS = 2_000
_MAX_CHANNELS = 8
_RATES = (4_000, 192_000)
"""A clip of a request is held while the request waits, and takes four bytes a sample then."""
_FINE_HZ, _COARSE_HZ = 25, 100
_COARSE_FROM_HZ = 50_000
_MOST_FRAMES = 1 << 40
"""A header that says more does not know the length: it was written before the end."""
SILENT_PEAK = 1e-3
"""A clip that stays below, -60 dB of full scale, holds no voice."""


def decode_reference(data: bytes, text: str, seconds: tuple[float, float]) -> Reference:
    """The reference in the bytes of a file.

    Args:
        text: The words in the recording
        seconds: Shortest and longest clip that is taken

    Raises:
        RowRejected: For bytes that are no audio, and for a clip that is too short, too long or silent, or without words
    """
    words = checked_text(text)
    shortest_s, longest_s = seconds
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
    except soundfile.LibsndfileError as error:  # its own text has the address of an object, another one in each run
        raise RowRejected(f"the clip cannot be read as audio ({len(data):,} bytes): {error.error_string}") from error
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise RowRejected(f"the clip cannot be read as audio ({len(data):,} bytes): {error}") from error
    if not _RATES[0] <= rate <= _RATES[1] or channels > _MAX_CHANNELS:
        raise RowRejected(
            f"the clip has {channels} channels at {rate} Hz; at most {_MAX_CHANNELS} at {_RATES[0]} to {_RATES[1]} Hz "
            "are read"
        )
    if frames > _MOST_FRAMES:
        raise RowRejected("the clip's header does not say how long it is; write the file anew, not through a pipe")
    duration_s = frames / rate
    if not shortest_s <= duration_s <= longest_s:
        what = "short" if duration_s < shortest_s else "long"
        raise RowRejected(f"the clip is too {what}: {duration_s:.2f} s, where {shortest_s:g} to {longest_s:g} s work")
    samples, sample_rate = decode(data, round(longest_s * rate + 1) * channels)
    if not np.isfinite(samples).all():
        raise RowRejected("the clip is damaged: some of its samples are no finite numbers")
    if len(samples) < shortest_s * sample_rate:  # a header may promise more than there is
        raise RowRejected(f"the clip is too short: {len(samples) / sample_rate:.2f} s, of {duration_s:.2f} s promised")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise RowRejected(f"the clip is silent: its loudest sample is {peak:.2g} of full scale")
    return Reference.of(samples, _even(sample_rate), words)


def _even(rate: int) -> int:
    """The nearest rate with which a resampler is small: all usual ones as they are, others by at most 0.3 %.

    A resampler's table grows with both rates over their common divisor: from 22,051 to 24,000 Hz it takes gigabytes.
    """
    step = _FINE_HZ if rate < _COARSE_FROM_HZ else _COARSE_HZ
    return round(rate / step) * step


def checked_text(text: str) -> str:
    """The words of a clip, without spaces around them.

    Raises:
        RowRejected: There are none, or too many
    """
    words = text.strip()
    if not words:
        raise RowRejected("the clip has no transcript: give the words that it says")
    if len(words) > MAX_TEXT_CHARS:
        raise RowRejected(f"the clip's transcript has {len(words):,} characters; at most {MAX_TEXT_CHARS:,} are taken")
    return words
