"""hibari, Kokoro and F5-TTS in batches: seconds of speech per second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from speechmill.actors.models.base import Model, ModelConfig
from speechmill.actors.models.f5tts.model import F5tts
from speechmill.actors.models.hibari import Hibari
from speechmill.actors.models.kokoro.model import Kokoro

from .weights import TEXT, Bench, now, rows


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """By model, number format and rows in a batch."""
    text = bench.of(TEXT, "Hi.")
    yield from _rtfx("hibari", Hibari(ModelConfig("hibari", "cuda")), bench.of((1, 16, 64, 256), (1, 2)), text)
    for dtype in ("float32", "bfloat16"):
        options = {"dtype": dtype, "deterministic": False}
        kokoro = Kokoro(ModelConfig("kokoro", "cuda", path=str(bench.kokoro_folder()), options=options))
        yield from _rtfx(f"kokoro_{dtype}", kokoro, bench.of((1, 16, 64), (1, 2)), text)
    for dtype in bench.of(("float32", "bfloat16"), ("bfloat16",)):
        options = {"dtype": dtype, "steps": bench.of(32, 2)}
        f5tts = F5tts(ModelConfig("f5tts", "cuda", path=str(bench.f5tts_folder()), options=options))
        yield from _rtfx(f"f5tts_{dtype}", f5tts, bench.of((1, 8, 32), (1,)), text)


def _rtfx(name: str, model: Model, batches: tuple[int, ...], text: str) -> Iterator[tuple[str, Any]]:
    """The better of two tries for each batch size; a first one warms up."""
    for size in batches:
        segments = rows(model, size, text)
        best, samples = float("inf"), 0
        torch.cuda.reset_peak_memory_stats()
        for _ in range(3):
            began = now()
            samples = sum(map(len, model.speak(segments)))
            best = min(best, now() - began)
        rtfx = samples / model.info.sample_rate / best
        yield f"{name}_batch_{size}", {"rtfx": rtfx, "peak_bytes": torch.cuda.max_memory_allocated()}
