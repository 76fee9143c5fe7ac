"""The engine of ChatTTS in bfloat16 at several numbers of slots: steps, speech, the share of the copy bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Request, Sampling
from speechmill.actors.models.chattts.checkpoint import layout
from speechmill.actors.models.chattts.checkpoint.layout import SAMPLE_RATE

from .weights import Bench, copy_bandwidth, now, rows, spoken


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """For each number of slots, two rows a slot: steps and seconds of speech per second, bandwidth, operators."""
    bandwidth = copy_bandwidth(bench.of(1 << 30, 1 << 16))
    yield "copy_bytes_per_s", bandwidth
    steps = bench.of(256, 3)
    for slots in bench.of((16, 64, 256, 512), (1, 2)):
        model = bench.chattts("cuda", slots, steps)
        spoken(model, rows(model, min(2, slots)))
        segments = rows(model, 2 * slots)
        torch.cuda.reset_peak_memory_stats()
        before, began = model.usage(), now()
        samples = sum(map(len, spoken(model, segments).values()))
        seconds = now() - began
        num_steps = (model.usage().row_steps - before.row_steps) / slots
        yield (
            str(slots),
            {
                "steps_per_s": num_steps / seconds,
                "rtfx": samples / SAMPLE_RATE / seconds,
                "bandwidth_share": num_steps * _bytes_of_step(bench, slots, steps) / seconds / bandwidth,
                "peak_bytes": torch.cuda.max_memory_allocated(),
            },
        )
        if slots <= 64:
            yield f"graphs_{slots}", dict(_graphs_against_eager(model, slots, bench.of(128, 6)))
        if slots == bench.of(64, 2) and not bench.is_tiny:
            yield "profile_64", _profile(model, slots)
        del model


def _graphs_against_eager(model: Any, slots: int, steps: int) -> Iterator[tuple[str, float]]:
    """Milliseconds of a step of full slots, operator by operator and as a graph; shapes captured, seconds for that."""
    network, prompt = model.network("speak"), 48
    sampling, x = Sampling(min_steps=steps, max_steps=steps), torch.zeros(prompt, network.hidden, dtype=network.dtype)
    for name, is_late in (("eager", False), ("graph", True)):
        engine = Engine(network, slots, prompt + steps + 1, torch.device("cuda"), is_late=is_late)
        began = now()
        engine.capture()
        captured_s = now() - began
        engine.add(Request(row, x, row, sampling) for row in range(slots))
        for _ in range(2):  # prompts
            engine.step()
        began = now()
        for _ in range(steps - 4):
            engine.step()
        yield f"{name}_ms", 1_000 * (now() - began) / (steps - 4)
        if is_late:
            yield "captured", engine.num_captured
            yield "capture_s", captured_s


def _bytes_of_step(bench: Bench, slots: int, steps: int) -> int:
    """Bytes that a step has to read: the weights, and keys and values up to the middle of the rows."""
    s = bench.of(layout.FULL, layout.TINY)
    numbers = s.num_layers * (4 * s.hidden**2 + 3 * s.hidden * s.ffn) + 2 * s.num_vq * s.audio_vocab * s.hidden
    position = Cache.bytes_per_position(s.num_layers, s.num_heads, s.head_dim, torch.bfloat16)
    return 2 * numbers + slots * position * steps // 2


def _profile(model: Any, slots: int) -> dict[str, Any]:
    """The kernels that take the most of the time of a short run, in milliseconds, and how many there were."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        spoken(model, rows(model, slots)[: max(1, slots // 8)])
    kernels = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    kernels.sort(key=lambda event: -event.self_device_time_total)
    return {event.key[:80]: [event.self_device_time_total / 1_000, event.count] for event in kernels[:20]}
