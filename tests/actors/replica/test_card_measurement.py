"""What a replica takes of a GPU is measured once, by the replica that has it for itself, and never at a run's cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speechmill.actors.batcher.budget import Budget
from speechmill.actors.batcher.calibration import calibrate, key_of
from speechmill.actors.batcher.sharing import CardUse
from speechmill.actors.device.card import CardPoint
from speechmill.actors.device.memory import ProcessMemory
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Segment
from speechmill.actors.replica.card_measurement import batch_points, measure_card
from speechmill.actors.replica.receipt import ReplicaConfig

POINT = CardPoint(4, 4, 1_000, 2e-3, 1e-3)
BUDGET = Budget(10**9, 0, 0.9, 1.0, resident=5_000)


@pytest.fixture(autouse=True)
def a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a GPU, which is all that is asked of one here."""
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    monkeypatch.setattr("speechmill.actors.batcher.calibration.hardware", lambda device: f"a {device}")


def measured(points: list[CardPoint] | Exception | None, gpus: float = 1.0, device: str = "cuda") -> CardUse | None:
    """None for `points`: measuring would be wrong."""

    def measure() -> list[CardPoint]:
        assert points is not None, "it is measured"
        if isinstance(points, Exception):
            raise points
        return points

    config = ReplicaConfig(ModelConfig("tone", device), gpus=gpus)
    return measure_card(config, Tone(ModelConfig("tone")).info, ProcessMemory(), BUDGET, measure)


def test_it_is_measured_once_on_a_whole_gpu() -> None:
    assert measured(None, gpus=0.5) is None
    assert measured(None, device="cpu") is None
    assert measured(MemoryError("no room for the trial")) is None, "the replica speaks all the same"
    assert measured([]) is None, "the profiler says nothing here"
    found = measured([POINT])
    assert found is not None
    assert (found.card_bytes, found.fixed_bytes, found.points) == (10**9, 5_000, (POINT,))
    assert measured(None) == measured(None, gpus=0.5) == found


class Working(Tone):
    """A tone that works in torch, too, whose profiler does not see numpy."""

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        torch.ones(len(segments), 8).sum()
        return super().speak(segments)


def test_a_model_of_batches_is_measured_at_its_longest() -> None:
    config = ModelConfig("tone", options={"audio_char_s": 0.001, "row_bytes": 700, "batch_s": 0.002})
    model = Working(config)
    profile = calibrate(model, model.memory(), lambda _: 10**9, key_of(config, model.info))
    assert profile is not None
    measured = [sample for sample in profile.samples if sample.shape.longest == model.info.max_length]
    points = batch_points(model, profile)
    assert [point.rows for point in points] == [sample.shape.rows for sample in measured]
    assert [(p.units, p.num_bytes) for p in points] == [(s.shape.cells, s.peak_bytes) for s in measured]
    assert all(0 < point.device_s < 0.001 < 0.002 <= point.seconds for point in points), "it sleeps outside of torch"
