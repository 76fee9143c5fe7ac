"""The compiled backbone: the same speech, nothing compiled after the start, and found again by the next process.

The C++ compiler takes half a minute: `make soak` runs it. `make test` compiles as far as to the graphs, by the backend
`aot_eager`, which shows all but that kernels are kept; where they are kept is what tests/actors/engine/test_kernels.py
looks at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

CODE = """
import functools, json, sys, threading
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
torch.compile = functools.partial(torch.compile, backend=sys.argv[2])
from speechmill.actors.engine.request import Sampling
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint

LINES = 4  # more than there are slots; the last one goes beyond the first reach

def line(number):
    tokens = (1, 2, 300, 301, *range(40))[: 1 + 7 * number]
    return Line(tokens, None, None, number, Sampling(min_steps=1, max_steps=1 + 16 * number))

def loaded(compile):
    options = Options(incomplete="keep", compile=compile)
    speech = ChatttsSpeech(Checkpoint.open(Path(sys.argv[1])), "cpu", "float32", options)
    assert speech.reserve(10**9, 2, 200, 100, 64) == 2
    return speech

def spoken(speech):
    waves, refined, pieces = {}, {}, {}
    def listen(number):
        pieces[number] = np.concatenate(list(speech.stream(line(number), StreamHandle())))
    streams = [threading.Thread(target=listen, args=(number,)) for number in range(LINES)]
    for stream in streams:
        stream.start()
    waves.update(speech.speak(map(line, range(LINES))))
    for stream in streams:
        stream.join()
    refined.update(speech.refine(map(line, range(LINES))))
    return waves, pieces, refined

speech = loaded(True)
assert speech.usage.steps == 0
from torch._dynamo.utils import counters
def seen():
    return json.loads(json.dumps({part: counters[part] for part in ("stats", "frames", "inductor", "aot_autograd")}))
before = seen()
waves, pieces, refined = spoken(speech)
after = seen()
others = spoken(loaded(False))
assert speech.usage.steps > 0
print(json.dumps({
    "before": before,
    "after": after,
    "lengths": sorted({len(wave) for wave in waves.values()}),
    "apart": max(
        float(np.abs(one[number] - other[number]).max()) if len(one[number]) == len(other[number]) else 1.0
        for one, other in zip((waves, pieces), others) for number in range(LINES)
    ),
    "refined": refined == others[2],
}))
"""


def process(folder: Path, cache: Path, backend: str) -> dict[str, Any]:
    """What a replica with this cache has seen of the compiler."""
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    environment["SPEECHMILL_CACHE"] = str(cache)
    environment["TORCHINDUCTOR_VEC_ISA_OK"] = "0"  # or it tries the processor in six processes
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), backend], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(seen: dict[str, Any]) -> None:
    """What every process keeps: it compiles all before the first row, and the speech is the same."""
    assert seen["before"]["stats"]["unique_graphs"] == 4, "one input and several, before and after attention"
    assert seen["after"] == seen["before"], "no row and no stream had anything compiled"
    assert len(seen["lengths"]) == 4
    assert seen["apart"] < 2e-5
    assert seen["refined"]


def test_all_graphs_are_made_before_the_first_row(tiny_folder: Path, tmp_path: Path) -> None:
    check(process(tiny_folder, tmp_path, "aot_eager"))


@pytest.mark.soak
@pytest.mark.skipif(not (shutil.which("g++") or os.environ.get("CXX")), reason="no C++ compiler")
def test_all_is_compiled_before_the_first_row_and_found_again_by_the_next_process(
    tiny_folder: Path, tmp_path: Path
) -> None:
    first, second = process(tiny_folder, tmp_path, "inductor"), process(tiny_folder, tmp_path, "inductor")
    check(first)
    check(second)
    assert first["before"]["inductor"]["fxgraph_cache_miss"] == 4
    assert second["before"]["inductor"]["fxgraph_cache_hit"] == 4
    assert "fxgraph_cache_miss" not in second["before"]["inductor"]
    assert second["before"]["aot_autograd"]["autograd_cache_hit"] == 4
    [kept] = (tmp_path / "kernels").glob("*/whole")
    assert any(kept.parent.glob("*/*.so"))
