"""Clips for judges: sentences spoken by the embedded voice, as a judge gets them; and sounds that are no speech."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from speechmill.actors.judges.base import Hearing
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import load
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.text.splitting import fit_segments
from support.planted_faults import as_stored


def speak(texts: Iterable[str], voice: str = "", *, first: int = 0) -> list[Hearing]:
    """Each text that is one segment, spoken by hibari on one core, with 16 bits; `first` is the number of its row."""
    model = load(ModelConfig("hibari", voice=voice))
    info = model.info
    clips: list[Hearing] = []
    for row, text in enumerate(texts, first):
        segments = fit_segments(Utterance(row, str(row), text, row), info.split_chars, info.max_length, model.prepare)
        if len(segments) == 1:
            samples = as_stored(model.speak(segments)[0])
            length = segments[0].prepared.length
            clips.append(Hearing(str(row), text, info.default_voice, "en", 1.0, samples, info.sample_rate, length))
    return clips


def hearing(samples: np.ndarray, text: str = "The kettle is on.", rate: int = 24_000, **more: object) -> Hearing:
    """Samples as a clip of a text."""
    values = {"id": "row", "voice": "heart", "language": "en", "speed": 1.0} | more
    return Hearing(text=text, samples=samples.astype(np.float32), sample_rate=rate, **values)  # type: ignore[arg-type]


def murmur(seconds: float, rate: int = 24_000, seed: int = 0) -> np.ndarray:
    """Something whose level moves as that of speech does: float32 [num_samples]."""
    chance = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate)) / rate
    syllables = 0.15 + 0.85 * np.abs(np.sin(2 * np.pi * 2.1 * at))
    return (0.2 * syllables * np.sin(2 * np.pi * 140 * at) + 1e-5 * chance.standard_normal(len(at))).astype(np.float32)
