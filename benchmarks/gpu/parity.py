"""Each model on the GPU against the CPU: the difference of waveforms, in float32 and bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.f5tts.model import F5tts
from speechmill.actors.models.hibari import Hibari

from .weights import TEXT, Bench, difference, rows, spoken


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Differences by model and number format; of ChatTTS the share of rows whose steps sound alike as well."""
    text = bench.of(TEXT, "Hi.")
    gpu, cpu = Hibari(ModelConfig("hibari", "cuda")), Hibari(ModelConfig("hibari", "cpu", "torch"))
    [ours], [theirs] = gpu.speak(rows(gpu, 1, text)), cpu.speak(rows(cpu, 1, text))
    yield "hibari_float32", difference(ours, theirs)
    for dtype in ("float32", "bfloat16"):
        yield f"logits_chattts_{dtype}", _logits(bench, dtype)
    steps = bench.of(32, 3)
    models = [bench.chattts(device, 4, steps, dtype="float32") for device in ("cuda", "cpu")]
    gpu_waves, cpu_waves = (spoken(model, rows(model, 4, text)) for model in models)
    apart = [difference(gpu_waves[row], cpu_waves[row]) for row in range(4)]
    yield "chattts_float32", float(np.median(apart))
    yield "chattts_float32_rows_alike", float(np.mean([one < 0.01 for one in apart]))
    reference: Any = None
    for device, dtype in (("cpu", "float32"), ("cuda", "float32"), ("cuda", "bfloat16")):
        options = {"steps": 2, "dtype": dtype}
        f5tts = F5tts(ModelConfig("f5tts", device, path=str(bench.f5tts_folder()), options=options))
        [wave] = f5tts.speak(rows(f5tts, 1, "Rain."))
        reference = wave if reference is None else reference
        if device == "cuda":
            yield f"f5tts_{dtype}", difference(wave, reference)


def _logits(bench: Bench, dtype: str) -> float:
    """The largest difference of a step's logits by the largest logit, the CPU in float32."""
    found: list[torch.Tensor] = []
    for device, kind in (("cuda", dtype), ("cpu", "float32")):
        network = bench.chattts(device, 1, 2, dtype=kind).network("speak")
        x = torch.randn(2, 8, network.hidden, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            starts = torch.zeros(2, dtype=torch.long, device=device)
            hidden = network.hiddens(x.to(device, network.dtype), network.cache(2, 8), 0, starts, 8)
            found.append(network.logits(hidden[:, -1]).cpu())
    return float((found[0] - found[1]).abs().max() / found[1].abs().max())
