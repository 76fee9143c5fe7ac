"""Batches on a CUDA device: within the bound, whatever share of the memory that is. Run where there is one."""

from __future__ import annotations

import pytest

from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.packing import pack_segments
from speechmill.actors.batcher.probes import Probes
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import ReplicaConfig

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_reserved_memory_stays_within_the_bound(share: float, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    import torch

    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    torch.cuda.reset_peak_memory_stats()
    config = ReplicaConfig(ModelConfig("hibari", "cuda"), vram_utilization=share)
    voice = tuned(config)
    assert voice.profile is not None
    segments = [s for length in (25, 100, 400) for s in Probes(voice.model).batch(512, length)]
    for batch in pack_segments(segments, voice.tuner.pack, mixes_voices=False):
        longest = max(segment.length for segment in batch)
        predicted = voice.tuner.predict(BatchShape(len(batch), longest)).peak_bytes
        torch.cuda.reset_peak_memory_stats()
        assert len(voice.model.speak(batch)) == len(batch)
        assert torch.cuda.max_memory_allocated() <= predicted
        assert torch.cuda.max_memory_reserved() <= voice.tuner.bound_bytes
