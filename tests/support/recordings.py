"""Recordings of voices for tests: harmonics of a pitch of their own, in any format."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

WORDS = "The words in the recording."


def recording(number: int, *, seconds: float = 0.5, rate: int = 8_000, channels: int = 1) -> np.ndarray:
    """float64 [num_samples] or [num_samples, channels]; another one for each number."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 100 + 7 * (number % 97)
    wave = 0.2 * np.sin(2 * np.pi * pitch * time) + 0.1 * np.sin(2 * np.pi * (500 + number) * time)
    return wave if channels == 1 else np.stack([wave] * channels, 1)


def encoded(samples: np.ndarray, rate: int = 8_000, form: str = "WAV", subtype: str | None = None) -> bytes:
    """The bytes of a file of these samples."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, subtype, format=form)
    return buffer.getvalue()


def write_recording(path: Path, number: int) -> None:
    """A WAV file of `recording`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(recording(number)))
