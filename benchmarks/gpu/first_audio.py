"""The time to the first audio of ChatTTS in bfloat16: one stream, and 64 that begin together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from speechmill.actors.records.stream_handle import StreamHandle

from .weights import Bench, rows


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Milliseconds to the first piece: the median, and that of the slowest twentieth."""
    most = bench.of(64, 2)
    model = bench.chattts("cuda", most, bench.of(96, 4))
    segments = rows(model, most)

    def first_ms(number: int) -> float:
        listener, began = StreamHandle(), time.perf_counter()
        pieces = model.stream(segments[number], listener)
        next(pieces)
        took = 1_000 * (time.perf_counter() - began)
        listener.leave()
        for _ in pieces:
            pass
        return took

    for streams, rounds in ((1, bench.of(20, 2)), (most, bench.of(3, 1))):
        found: list[float] = []
        with ThreadPoolExecutor(streams) as pool:
            for _ in range(rounds):
                found += pool.map(first_ms, range(streams))
        yield f"streams_{streams}", {"p50_ms": float(np.median(found)), "p95_ms": float(np.quantile(found, 0.95))}
