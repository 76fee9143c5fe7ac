"""Batches that the tuner packs by memory against batches of fixed sizes: hibari on texts of many lengths."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from speechmill.actors.batcher.packing import pack_segments
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.utterance import Segment
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import ReplicaConfig

from .weights import Bench, now


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Seconds of speech per second: automatic, and with 1, 16 and 64 rows in the order of the corpus."""
    loaded = tuned(ReplicaConfig(ModelConfig("hibari", "cuda"), vram_utilization=bench.of(0.9, 0.5)))
    model, draws = loaded.model, random.Random(0)
    segments = [_segment(model, row, draws) for row in range(bench.of(2_000, 6))]
    packed = list(pack_segments(segments, loaded.tuner.pack, mixes_voices=False))
    plans = {"auto_max": packed}
    for size in bench.of((1, 16, 64), (2,)):
        part = segments[:200] if size == 1 else segments
        plans[f"fixed_{size}"] = [part[at : at + size] for at in range(0, len(part), size)]
    for name, batches in plans.items():
        model.speak(batches[0])
        began = now()
        samples = sum(len(wave) for batch in batches for wave in model.speak(batch))
        yield name, samples / model.info.sample_rate / (now() - began)


def _segment(model: Any, row: int, draws: random.Random) -> Segment:
    """Words in a number as sentences of corpora have them: log-normal."""
    words = max(1, min(50, round(draws.lognormvariate(2.3, 0.6))))
    text = " ".join(draws.choice(["rain", "lamp", "the", "open", "river", "mill"]) for _ in range(words)) + "."
    return Segment(row, 0, text, model.prepare(text, ""), row, "", 1.0)
