"""Several replicas on the card: ChatTTS in 1, 2 and 3 processes, each with its share of 192 slots."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechmill.actors.models.chattts.checkpoint.layout import SAMPLE_RATE

from .weights import Bench, rows, spoken

HERE = Path(__file__).parent.parent


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Seconds of speech per second of all together, from when the last is ready until the first is done."""
    bench.chattts_folder()
    for count in bench.of((1, 2, 3), (1,)):
        if bench.is_tiny:  # the pretended device is one process
            yield str(count), _one(bench, 2, time.time())
            continue
        start = time.time() + 12
        command = [sys.executable, "-m", "gpu.replicas", str(bench.folder), str(192 // count), str(start)]
        children = [subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        answers = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
        yield str(count), sum(answers)


def _one(bench: Bench, slots: int, start: float) -> float:
    """Seconds of speech per second of one replica, which begins at a time of the clock."""
    steps = bench.of(192, 3)
    model = bench.chattts("cuda", slots, steps)
    spoken(model, rows(model, 1))
    segments = rows(model, slots)
    time.sleep(max(0.0, start - time.time()))
    began = time.perf_counter()
    samples = sum(map(len, spoken(model, segments).values()))
    return samples / SAMPLE_RATE / (time.perf_counter() - began)


if __name__ == "__main__":
    print(_one(Bench(Path(sys.argv[1]), is_tiny=False), int(sys.argv[2]), float(sys.argv[3])))
