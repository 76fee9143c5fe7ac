"""What the network is given of a recording: its samples, its words, and how loud it is.

The clip is trimmed to its sound, 50 ms of silence follow, and a quiet clip is raised; the speech is lowered by as much.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .....errors import RowRejected
from ....records.reference import Reference
from ..text.durations import SAMPLE_RATE, reference_text

_TARGET_RMS = 0.1
_SILENCE_DBFS = -42.0
_WINDOW_S = 0.01
_TAIL_S = 0.05
_LEAST_S = 0.3


@lru_cache(8)  # a row asks several times, and a preset comes with every row
def trimmed(reference: Reference) -> NDArray[np.float32]:
    """The clip's sound and 50 ms of silence: float32 [num_samples] at its own rate, not to be written to.

    Raises:
        RowRejected: There is too little sound in it
    """
    samples, rate = reference.samples, reference.sample_rate
    window = max(1, round(_WINDOW_S * rate))
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    loud = np.flatnonzero(np.square(whole, dtype=np.float64).mean(1) > 10 ** (_SILENCE_DBFS / 10))
    first, end = (int(loud[0]) * window, (int(loud[-1]) + 1) * window) if len(loud) else (0, 0)
    if end - first < _LEAST_S * rate:
        raise RowRejected(
            f"the reference has {(end - first) / rate:.2f} s of sound above {_SILENCE_DBFS:g} dBFS; "
            "give a recording with some seconds of speech"
        )
    return np.concatenate((samples[first:end], np.zeros(round(_TAIL_S * rate), np.float32)))


def prompt_samples(reference: Reference) -> int:
    """Samples of the clip as it is given, at 24 kHz, without computing them. Raises as `trimmed` does."""
    return math.ceil(len(trimmed(reference)) * SAMPLE_RATE / reference.sample_rate)


def prompt_words(reference: Reference) -> str:
    """The words of the clip, as the text to be spoken follows them.

    Raises:
        RowRejected: There are none, or too few for so much sound; as `trimmed` does
    """
    if not reference.text.strip():
        raise RowRejected("the reference has no text; f5tts needs the words that are spoken in it")
    words = reference_text(reference.text.strip())
    duration_s = len(trimmed(reference)) / reference.sample_rate
    if len(words.encode("utf-8", "surrogatepass")) < duration_s:  # a byte would take more than a second
        raise RowRejected(
            f"the reference's text is too short for {duration_s:.1f} s of sound: {reference.text.strip()!r:.60}; "
            "f5tts needs all the words that are spoken in it, as the pace follows from them"
        )
    return words


def level_of(reference: Reference) -> float:
    """What speech is multiplied with so that it is as loud as the recording; it is given louder where it is quiet."""
    rms = math.sqrt(float(np.square(trimmed(reference), dtype=np.float64).mean()))
    return min(1.0, rms / _TARGET_RMS)


def given_samples(reference: Reference) -> NDArray[np.float32]:
    """The clip as it is given: float32 [prompt_samples] at 24 kHz. Raises as `trimmed` does."""
    from ....audio.finishing import resample

    loud = trimmed(reference) / np.float32(level_of(reference))
    return resample(loud, reference.sample_rate, SAMPLE_RATE)
