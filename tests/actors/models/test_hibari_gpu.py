"""The torch port on a GPU: `pytest -m gpu` where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.hibari import Hibari
from speechmill.actors.records.utterance import Segment

TEXTS = [
    "Yes.",
    "The mill stands by the river.",
    "On the 3rd of March, 1,250 people paid to hear it, and stayed.",
]


def segments(model: Hibari) -> list[Segment]:
    return [Segment(n, 0, text, model.prepare(text, ""), n, "", 1.0) for n, text in enumerate(TEXTS)]


@pytest.mark.gpu
def test_a_gpu_speaks_as_the_cpu_does() -> None:
    cpu = Hibari(ModelConfig("hibari", device="cpu", backend="torch"))
    gpu = Hibari(ModelConfig("hibari", device="cuda"))
    for ours, theirs in zip(gpu.speak(segments(gpu)), cpu.speak(segments(cpu)), strict=True):
        assert len(ours) == len(theirs)
        assert np.sqrt(np.mean((ours - theirs) ** 2)) <= 0.01 * np.sqrt(np.mean(theirs**2))


@pytest.mark.gpu
def test_the_same_batch_gives_the_same_bits_on_a_gpu() -> None:
    gpu = Hibari(ModelConfig("hibari", device="cuda"))
    first, second = gpu.speak(segments(gpu)), gpu.speak(segments(gpu))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
