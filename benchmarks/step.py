"""One step of ChatTTS's engine: how many operators it launches, and how long it takes.

Operators are counted at the published depth and a small width, views left out, composed ones as what they are composed
of. Times are those of the published sizes, with random weights and rows of mixed lengths, median of all steps. With
`--peer PYTHON`, the Python of another version's environment is measured in turn with this one, for a ratio within one
run.

    python benchmarks/step.py [--slots N ...] [--steps N] [--dtype D] [--device cuda] [--peer PYTHON] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from common import machine, measure, num_cores, parsed, show

from speechmill.actors.engine.engine import Engine
from speechmill.actors.engine.request import Request, Sampling
from speechmill.actors.models.chattts.checkpoint.layout import FULL, TINY, Sizes
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.backbone import Backbone, CodeNetwork

ROUNDS = 3
WARM = 3
"""Steps before the first that is timed."""


def main() -> None:
    """Measure this version, and the peer in turn with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--peer", help="Python of another version's virtual environment")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(sizes=FULL)
    arguments = parsed(parser, "tiny weights, two steps", slots=[1, 3], steps=2, peer=None, sizes=TINY)
    if arguments.weights is not None:
        print(json.dumps(measured(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder, "timed"), arguments.sizes, seed=0)
        write_random(Path(folder, "counted"), replace(TINY, num_layers=FULL.num_layers), seed=0)
        arguments.weights = Path(folder)
        found = [measured(arguments)] if arguments.peer is None else []
        peers: list[dict[str, Any]] = []
        for _ in range(ROUNDS if arguments.peer else 0):
            found.append(child(sys.executable, folder))
            peers.append(child(str(arguments.peer), folder))
    report(arguments, found, peers)


def child(python: str, folder: str) -> dict[str, Any]:
    """One version in a process of its own."""
    before, sys.executable = sys.executable, python
    try:
        return measure([__file__, *sys.argv[1:], "--weights", folder]).answer
    finally:
        sys.executable = before


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Operators of a step by name, and milliseconds of a step by slots."""
    dtype, device = getattr(torch, arguments.dtype), torch.device(arguments.device)
    return {
        "operators": counted(arguments.weights / "counted", device, dtype),
        "step_ms": {
            str(slots): timed(arguments.weights / "timed", device, dtype, slots, arguments.steps)
            for slots in arguments.slots
        },
    }


def counted(weights: Path, device: torch.device, dtype: torch.dtype) -> dict[str, int]:
    """Operators of one step by name, the largest numbers first."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from support.operators import OperatorCount

    engine = filled(weights, device, dtype, 3, 8)
    with torch.inference_mode():
        engine.step()
        with OperatorCount() as count:
            engine.step()
    return dict(count.by_name.most_common())


def timed(weights: Path, device: torch.device, dtype: torch.dtype, slots: int, steps: int) -> float:
    """Milliseconds of a step, median."""
    engine = filled(weights, device, dtype, slots, WARM + steps + 1)
    taken: list[float] = []
    for _ in range(WARM + steps):
        began = time.perf_counter()
        engine.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return 1e3 * statistics.median(taken[WARM:])


def filled(weights: Path, device: torch.device, dtype: torch.dtype, slots: int, steps: int) -> Engine:
    """An engine with a row in every slot; prompts of 20 to 80 positions."""
    checkpoint = Checkpoint.open(weights)
    sizes: Sizes = checkpoint.sizes
    embed = checkpoint.load("embed", device, dtype)
    network = CodeNetwork(Backbone(sizes, checkpoint.load("gpt", device, dtype), embed), embed)
    engine = Engine(network, slots, 80 + steps, device)
    chance = torch.Generator().manual_seed(0)
    for row in range(slots):
        prompt = torch.randn(20 + 60 * row // slots, sizes.hidden, generator=chance).to(device, dtype)
        engine.add([Request(row, prompt, row, Sampling(min_steps=steps, max_steps=steps))])
    return engine


def report(arguments: argparse.Namespace, found: list[dict[str, Any]], peers: list[dict[str, Any]]) -> None:
    """The table and the JSON line."""
    times = {slots: typical(found, slots) for slots in arguments.slots}
    before = {slots: typical(peers, slots) for slots in arguments.slots} if peers else {}
    operators = cast("dict[str, int]", found[0]["operators"])
    total, was = sum(operators.values()), sum(peers[0]["operators"].values()) if peers else None
    rows = [["operators", f"{total}", "" if was is None else f"{was}"]]
    rows += [[f"ms, {slots} rows", f"{times[slots]:.1f}", f"{before[slots]:.1f}" if before else ""] for slots in times]
    figures = {
        "operators": total,
        "operators_peer": was,
        "by_name": operators,
        "step_ms": {str(slots): round(taken, 3) for slots, taken in times.items()},
        "ratio_peer": {str(slots): round(before[slots] / times[slots], 3) for slots in before} or None,
        "dtype": arguments.dtype,
        "device": arguments.device,
        "machine": machine(),
    }
    show("A step of ChatTTS, random weights", ["", "this version", "peer"], rows, figures)


def typical(found: list[dict[str, Any]], slots: int) -> float:
    """The median of the rounds."""
    return statistics.median(one["step_ms"][str(slots)] for one in found)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(num_cores()))
    main()
