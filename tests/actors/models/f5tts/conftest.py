"""A tiny checkpoint of random weights, and clips to speak with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechmill.actors.models.f5tts.checkpoint.layout import TINY, TINY_VOCODER
from speechmill.actors.models.f5tts.checkpoint.random_weights import write_random
from speechmill.actors.records.reference import Reference


@pytest.fixture(scope="session")
def tiny_f5tts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("f5tts") / "tiny"
    write_random(folder, TINY, TINY_VOCODER, seed=0)
    return folder


@pytest.fixture(scope="session")
def clips() -> list[Reference]:
    """64 recordings of noise, each of another length and loudness; a few at another rate."""
    draws = np.random.default_rng(5)
    made: list[Reference] = []
    for at in range(64):
        rate = 16_000 if at % 16 == 3 else 24_000
        samples = draws.normal(0, 0.03 + 0.004 * at, size=round(rate * draws.uniform(0.36, 0.55))).astype(np.float32)
        made.append(Reference.of(samples, rate, "A clip."[: 3 + at % 5]))
    return made
