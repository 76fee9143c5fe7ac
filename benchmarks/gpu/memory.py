"""The bound on memory: what a replica reserves stays within `vram_utilization`, whatever share that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import ReplicaConfig

from .weights import Bench, rows, spoken


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """For 0.5 and 0.9: bytes reserved by bytes allowed, at most 1, and the slots that there were."""
    steps = bench.of(512, 3)
    options = {"incomplete": "keep", "min_steps": bench.of(64, 3), "max_steps": steps}
    config = ModelConfig("chattts", "cuda", path=str(bench.chattts_folder()), options=options)
    for share in (0.5, 0.9):
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        loaded = tuned(ReplicaConfig(config, batch_rows=bench.of(None, 2), vram_utilization=share))
        model: Any = loaded.model
        spoken(model, rows(model, bench.of(64, 2)))
        yield f"reserved_{share}", torch.cuda.max_memory_reserved() / loaded.tuner.bound_bytes
        del loaded, model
