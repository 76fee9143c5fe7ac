"""A recording as the model takes it: one channel, its rate, full scale 1.

Not known here: what is said in it, or in which voice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from .....errors import ModelError
from ..options import LONGEST_S


def read_recording(file: Path, sample_rate: int) -> NDArray[np.float32]:
    """float32 [samples] at `sample_rate` Hz, channels averaged.

    Raises:
        ModelError: If it cannot be read or is too long
    """
    try:
        with soundfile.SoundFile(file) as opened:
            duration_s = opened.frames / opened.samplerate
            if duration_s > LONGEST_S:
                raise ModelError(f"{file} is {duration_s:.0f} s long; a voice's sample may be {LONGEST_S:g} s")
            samples = opened.read(dtype="float32", always_2d=True).mean(1)
            rate = opened.samplerate
    except (OSError, RuntimeError, ValueError) as error:  # soundfile's own error is a RuntimeError
        raise ModelError(f"{file} cannot be read as audio: {error}") from error
    return resampled(samples, rate, sample_rate)


def resampled(samples: NDArray[np.float32], rate: int, sample_rate: int) -> NDArray[np.float32]:
    """The recording, float32 [samples] at `rate` Hz, at `sample_rate` Hz."""
    if rate == sample_rate:
        return samples
    import torch
    from torchaudio.functional import resample

    return resample(torch.from_numpy(samples), rate, sample_rate).numpy()
