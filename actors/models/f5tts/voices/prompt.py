"""What the network is given of a recording: its mel frames, its words, and how loud it is.

The clip is trimmed to its sound, 50 ms of silence follow, and a quiet clip is raised; the speech is lowered by as much.
A few milliseconds of work, so that prompts are kept in memory while they are in use, and nowhere else.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .....errors import RowRejected
from ....records.reference import Reference
from ..text.durations import SAMPLE_RATE, reference_text

if TYPE_CHECKING:
    from torch import Tensor

_TARGET_RMS = 0.1
_SILENCE_DBFS = -42.0
_WINDOW_S = 0.01
_TAIL_S = 0.05
_LEAST_S = 0.3
_MOST_BYTES = 2**26
"""Of mel frames that are kept: some two hundred clips of six seconds."""


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """A recording as the network continues it.

    Attributes:
        num_samples: Of the clip as it is given, at 24 kHz
        mel: Log-mel float32 [1 + num_samples // hop, n_mels], on the model's device
        level: What the speech is multiplied with, so that it is as loud as the recording was
    """

    num_samples: int
    mel: Tensor
    level: float


def trimmed(reference: Reference) -> NDArray[np.float32]:
    """The clip's sound and 50 ms of silence: float32 [num_samples] at its own rate.

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
        RowRejected: There are none
    """
    if not reference.text.strip():
        raise RowRejected("the reference has no text; f5tts needs the words that are spoken in it")
    return reference_text(reference.text.strip())


def voice_prompt(reference: Reference, to_mel: Callable[[NDArray[np.float32]], Tensor]) -> VoicePrompt:
    """The prompt of a recording. `to_mel` gives log-mel frames of samples at 24 kHz. Raises as `trimmed` does."""
    from ....audio.finishing import resample

    clip = trimmed(reference)
    rms = math.sqrt(float(np.square(clip, dtype=np.float64).mean()))
    level = min(1.0, rms / _TARGET_RMS)
    at_rate = resample(clip / np.float32(level), reference.sample_rate, SAMPLE_RATE)
    return VoicePrompt(len(at_rate), to_mel(at_rate), level)


class PromptCache:
    """Prompts by the digest of their recordings, the last used ones. Safe for several threads."""

    def __init__(self, to_mel: Callable[[NDArray[np.float32]], Tensor], most_bytes: int = _MOST_BYTES) -> None:
        self._to_mel, self._most_bytes = to_mel, most_bytes
        self._kept: OrderedDict[str, VoicePrompt] = OrderedDict()
        self._bytes, self._lock = 0, Lock()

    def get(self, reference: Reference) -> VoicePrompt:
        """The prompt of a recording. Raises as `trimmed` does."""
        with self._lock:
            if prompt := self._kept.get(reference.digest):
                self._kept.move_to_end(reference.digest)
                return prompt
        prompt = voice_prompt(reference, self._to_mel)
        with self._lock:
            if reference.digest not in self._kept:
                self._kept[reference.digest] = prompt
                self._bytes += prompt.mel.nbytes
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].mel.nbytes
        return prompt
