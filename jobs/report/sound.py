"""The clips that are inside a page, and the levels of those that were heard for it."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...actors.audio.encoding import FORMATS, decode, encode, pcm16
from ...actors.records.record import Record
from ...errors import JobError, RowRejected
from .clip_store import ClipStore

MAX_CLIP_BYTES = 184 << 10
"""Of one clip in the page: 60 of them are 15 MB as base64."""
MAX_SHOWN_S = 20.0
SILENCE_DBFS = -100.0


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip as the page plays it.

    Attributes:
        uri: "data:audio/…"; "" where the clip is missing or damaged
        level_dbfs: Root mean square of all samples, SILENCE_DBFS at least; a sine of full scale has -3
        note: What is not as it is stored, or why there is no sound
    """

    uri: str
    level_dbfs: float | None
    note: str = ""
    is_damaged: bool = False


def sound_of(store: ClipStore, record: Record, *, is_shown: bool) -> Sound:
    """Read a clip, measure it, and if it is shown, make it small enough.

    A clip that is missing, damaged or no audio is told in the note. A store that does not answer raises.
    """
    try:
        data = store.read(record)
        samples, sample_rate = decode(data)
    except (JobError, RowRejected) as error:
        return Sound("", None, str(error), is_damaged=True)
    level = level_dbfs(samples)
    if not is_shown:
        return Sound("", level)
    stored = FORMATS.get(record.audio_format or "")
    if stored is not None and len(data) <= MAX_CLIP_BYTES:
        return Sound(_uri(stored.mime, data), level)
    data, mime, note = _smaller(samples, sample_rate)
    return Sound(_uri(mime, data), level, f"{note}; stored as {record.audio_format}")


def level_dbfs(samples: NDArray[np.float32]) -> float:
    """Root mean square of float32 [num_samples], in dB of full scale."""
    mean_square = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(SILENCE_DBFS, 10 * math.log10(mean_square)) if mean_square > 0 else SILENCE_DBFS


def _smaller(samples: NDArray[np.float32], sample_rate: int) -> tuple[bytes, str, str]:
    """The clip as MP3 where that takes its rate, cut where it is long."""
    audio = FORMATS["mp3" if sample_rate in FORMATS["mp3"].sample_rates else "flac"]
    seconds = MAX_SHOWN_S
    while True:
        shown = samples[: int(seconds * sample_rate)]
        data = encode(pcm16(shown), sample_rate, audio.name)
        if len(data) <= MAX_CLIP_BYTES or seconds < 0.1:
            break
        seconds /= 2
    total_s = len(samples) / sample_rate
    cut = f"the first {len(shown) / sample_rate:.1f} of {total_s:.1f} s, " if len(shown) < len(samples) else ""
    return data, audio.mime, f"{cut}here as {audio.name.upper()}"


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
