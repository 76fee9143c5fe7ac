"""Several replicas on the card: ChatTTS in 1, 2 and 3 processes, each with its share of 192 slots.

They share the card as replicas of a job do: by MPS where it is, each with cores of its own. Two processes are tried
without MPS as well, so that their kernels take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from speechmill.actors.device.card_place import CardPlace
from speechmill.actors.device.mps import SWITCH
from speechmill.actors.models.chattts.checkpoint.layout import SAMPLE_RATE

from .weights import Bench, rows, spoken

HERE = Path(__file__).parent.parent


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Seconds of speech per second of all together, all begun when the last was ready; whether MPS was used."""
    bench.chattts_folder()
    if bench.is_tiny:  # the pretended device is one process
        yield "1", {"rtfx": _one(bench, 2, lambda: None), "mps": False, "cores": 0}
        return
    for name, count, environment in (("1", 1, {}), ("2", 2, {}), ("2_in_turns", 2, {SWITCH: "off"}), ("3", 3, {})):
        yield name, _together(bench, count, os.environ | environment)


def _together(bench: Bench, count: int, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "gpu.replicas", str(bench.folder), str(192 // count), str(count)]
    children = [
        subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(count)
    ]
    for child in children:
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise SystemExit("a replica has failed; its message is above")
    answers: list[dict[str, Any]] = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("begin\n")
        child.stdin.flush()
    for child in children:
        answers.append(json.loads(child.communicate()[0]))
    return {
        "rtfx": sum(answer["rtfx"] for answer in answers),
        "mps": all(answer["mps"] for answer in answers),
        "cores": min(answer["cores"] for answer in answers),
    }


def _one(bench: Bench, slots: int, wait: Callable[[], object]) -> float:
    """Seconds of speech per second of one replica, which is ready, waits and begins."""
    model = bench.chattts("cuda", slots, bench.of(192, 3))
    spoken(model, rows(model, 1))
    segments = rows(model, slots)
    wait()
    began = time.perf_counter()
    samples = sum(map(len, spoken(model, segments).values()))
    return samples / SAMPLE_RATE / (time.perf_counter() - began)


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def _replica(folder: Path, slots: int, count: int) -> None:
    place = CardPlace.take(count)
    rtfx = _one(Bench(folder, is_tiny=False), slots, _wait)
    mps, cores = (False, 0) if place is None else (place.mps is not None, len(place.cores))
    print(json.dumps({"rtfx": rtfx, "mps": mps, "cores": cores}))


if __name__ == "__main__":
    _replica(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
