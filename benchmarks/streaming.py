"""Streams: how soon the first audio comes, what it waits for, and whether playback would run dry.

ChatTTS with random weights of full size; several streams at once on one replica, with and without rows of a job beside
them. With `--peer PYTHON`, upstream chattts 0.2.5 streams the same texts with the same weights, one after the other, as
it does (`chattts_parity.py` says how to make its virtual environment). Playback begins with the first audio and goes on
in real time: an underrun is a piece that comes after all before it has been played.

    python benchmarks/streaming.py [--concurrency 1 4 16 64] [--device cuda] [--peer PYTHON] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from chattts import PROMPT, UPSTREAM, device_name, prompts, texts
from common import machine, num_cores, parsed, show

from speechmill.actors.models.chattts.checkpoint.layout import FULL, SAMPLE_RATE, TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.records.stream_handle import StreamHandle

Arrivals = list[tuple[float, int]]
"""Seconds from the call, and samples, of each piece of audio."""
PLENTY = 2**40
FULL_AHEAD = 53
TINY_RUN = {"concurrency": [1], "steps": 24, "batch_rows": 2, "peer": None, "alone_s": 0.2, "settle_s": 0.2}
COLUMNS = ["", "streams", "first p50", "p99", "prefill", "steps", "vocoder", "gap", "underruns", "RTF", "row steps / s"]


def main() -> None:
    """Everything in one process, upstream in its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--steps", type=int, default=150, help="of each stream: 3.2 s of audio")
    parser.add_argument("--batch-rows", type=int, default=8, help="rows of a job beside the streams")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--weights", type=Path, help="folder of weights; default: random ones, written for this run")
    parser.add_argument("--peer", help="Python of a virtual environment with chattts 0.2.5")
    parser.add_argument("--peer-streams", type=int, default=2)
    parser.set_defaults(alone_s=20.0, settle_s=2.0)
    arguments = parsed(parser, "tiny weights, one short stream, no peer", **TINY_RUN)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.weights is None:
            write_random(Path(folder), TINY if arguments.tiny else FULL, seed=0)
            arguments.weights = Path(folder)
        run(arguments, Path(folder))


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Our streams, upstream's, the table."""
    rows: list[list[str]] = []
    alone: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    most = max(arguments.concurrency)
    speech, lines = ready(arguments, most + arguments.batch_rows)
    list(speech.stream(lines[0], StreamHandle()))  # kernels and buffers are there
    seams = {
        ahead: seam_error(speech, lines[0], ahead) for ahead in (FULL_AHEAD, speech.synthesis.settings.streaming.ahead)
    }
    job_alone = row_steps_per_s(speech, lines[most:], arguments.alone_s)
    for count in arguments.concurrency:
        for is_beside in (False, True):
            found = streams(speech, lines[:count], lines[most:] if is_beside else [], arguments)
            name = "speechmill" + (", a job beside" if is_beside else "")
            rows.append(line_of(name, count, found))
            (beside if is_beside else alone).setdefault("first", found)
    figures: dict[str, Any] = {
        "ttfa_p50_ms": round(1000 * percentile(alone["first"]["first"], 50), 1),
        "ttfa_p99_ms": round(1000 * percentile(alone["first"]["first"], 99), 1),
        "underruns": alone["first"]["underruns"],
        "rtf": round(alone["first"]["rtf"], 3),
        "ttfa_beside_p50_ms": round(1000 * percentile(beside["first"]["first"], 50), 1),
        "batch_share": round(beside["first"]["job_row_steps_per_s"] / job_alone, 3),
        "seam_error": seams[FULL_AHEAD],
        "seam_error_default": seams[speech.synthesis.settings.streaming.ahead],
        "ratio_upstream_ttfa": None,
        "device": device_name(arguments.device),
        "machine": machine(),
    }
    if arguments.peer:
        theirs = upstream(arguments, folder)
        rows.append(line_of("upstream, one after the other", 1, theirs))
        ratio = percentile(alone["first"]["first"], 50) / percentile(theirs["first"], 50)
        figures["ratio_upstream_ttfa"] = round(ratio, 4)
    show(f"ChatTTS streams, random weights, {figures['device']}", COLUMNS, rows, figures)


def ready(arguments: argparse.Namespace, count: int) -> tuple[ChatttsSpeech, list[Line]]:
    """The model with room for all, and lines of equal length."""
    checkpoint = Checkpoint.open(arguments.weights)
    dtype = "bfloat16" if arguments.device == "cuda" else "float32"
    speech = ChatttsSpeech(checkpoint, arguments.device, dtype, Options(incomplete="keep"))
    lines = prompts(checkpoint, [arguments.steps] * count)
    speech.reserve(PLENTY, count, max(len(line.tokens) for line in lines) + arguments.steps, 0, count)
    return speech, lines


def streams(
    speech: ChatttsSpeech, lines: Sequence[Line], others: Sequence[Line], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Streams at once, with rows of a job before and beside them."""
    spent = First(speech, arguments.device)
    is_over = threading.Event()

    def job() -> None:
        while not is_over.is_set():
            for _ in speech.speak(others):
                if is_over.is_set():
                    break

    def listen(line: Line) -> Arrivals:
        began = time.perf_counter()
        return [(time.perf_counter() - began, len(piece)) for piece in speech.stream(line, StreamHandle())]

    with ThreadPoolExecutor(len(lines) + 1) as threads:
        running = threads.submit(job) if others else None
        if running is not None:
            time.sleep(arguments.settle_s)  # the job is in full swing
        spent.reset()
        before, began = speech.usage, time.perf_counter()
        heard = list(threads.map(listen, lines))
        seconds, used = time.perf_counter() - began, speech.usage
        is_over.set()
        if running is not None:
            running.result()
    found = summary(heard) | {"prefill_s": spent.prefill_s, "vocoder_s": spent.vocoder_s}
    spent.restore()
    all_steps = used.row_steps - before.row_steps
    own_steps = sum(line.sampling.max_steps for line in lines)
    return found | {"row_steps_per_s": all_steps / seconds, "job_row_steps_per_s": (all_steps - own_steps) / seconds}


def row_steps_per_s(speech: ChatttsSpeech, lines: Sequence[Line], seconds: float) -> float:
    """How fast a job goes alone."""
    before, began = speech.usage.row_steps, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in speech.speak(lines):
            pass
    return (speech.usage.row_steps - before) / (time.perf_counter() - began)


def seam_error(speech: ChatttsSpeech, line: Line, ahead: int) -> float:
    """The largest difference, of full scale, between a streamed line and the same line spoken at once."""
    synthesis, settings = speech.synthesis, speech.synthesis.settings
    synthesis.settings = replace(settings, streaming=replace(settings.streaming, ahead=ahead))
    heard = np.concatenate(list(speech.stream(line, StreamHandle())))
    synthesis.settings = settings
    [(_, whole)] = speech.speak([line])
    assert isinstance(whole, np.ndarray)
    assert len(heard) == len(whole)
    return float(np.abs(heard - whole).max())


class First:
    """Seconds in the first prompts and in the first window of audio; on a GPU each is waited for."""

    def __init__(self, speech: ChatttsSpeech, device: str) -> None:
        self._synthesis: Any = speech.synthesis
        self._device = device
        self._passes: Any = self._synthesis._engines["speak"]._engine._forward
        self._before = self._passes._fill, self._synthesis._decode
        self._passes._fill = self._timed(self._before[0], "prefill_s")
        self._synthesis._decode = self._timed(self._before[1], "vocoder_s")
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.prefill_s = self.vocoder_s = 0.0

    def restore(self) -> None:
        """As it was."""
        self._passes._fill, self._synthesis._decode = self._before

    def _timed(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*values: Any) -> Any:
            began = time.perf_counter()
            result = call(*values)
            if self._device == "cuda":
                torch.cuda.synchronize()
            if not getattr(self, name):
                setattr(self, name, time.perf_counter() - began)
            return result

        return timed


def summary(heard: Sequence[Arrivals]) -> dict[str, Any]:
    """First audio of each stream, gaps between pieces, underruns of all, and the real-time factor of the slowest."""
    gaps = [later[0] - sooner[0] for pieces in heard for sooner, later in pairwise(pieces)]
    rtfs = [pieces[-1][0] * SAMPLE_RATE / sum(count for _, count in pieces) for pieces in heard]
    return {
        "first": [pieces[0][0] for pieces in heard],
        "gap_s": statistics.median(gaps) if gaps else 0.0,
        "underruns": sum(map(underruns, heard)),
        "rtf": max(rtfs),
    }


def underruns(pieces: Arrivals) -> int:
    """Pieces that came after everything before them had been played."""
    ends = pieces[0][0]
    count = 0
    for at, samples in pieces:
        if at > ends:
            count += 1
        ends = max(ends, at) + samples / SAMPLE_RATE
    return count


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-percent * len(ordered) // 100) - 1)]


def upstream(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Upstream's streams."""
    steps = [arguments.steps] * arguments.peer_streams
    job = {
        "weights": str(arguments.weights.resolve()),
        "device": arguments.device,
        "num_threads": num_cores(),
        "is_streamed": True,
        "texts": texts(steps),
        "steps": steps,
        "prompt": PROMPT,
    }
    file = folder / "upstream-job.json"
    file.write_text(json.dumps(job))
    print("upstream …", file=sys.stderr)
    done = subprocess.run([arguments.peer, str(UPSTREAM), str(file)], stdout=subprocess.PIPE, text=True, check=True)
    heard = json.loads(done.stdout.strip().splitlines()[-1])["arrivals"]
    rate = arguments.steps / statistics.median(pieces[-1][0] for pieces in heard)
    return summary([[(at, count) for at, count in pieces] for pieces in heard]) | {"row_steps_per_s": rate}


def line_of(name: str, count: int, found: dict[str, Any]) -> list[str]:
    """One line of the table."""
    first = percentile(found["first"], 50)
    parts = ["", "", ""]
    if "prefill_s" in found:
        steps_s = first - found["prefill_s"] - found["vocoder_s"]
        parts = [f"{1000 * found['prefill_s']:.0f}", f"{1000 * steps_s:.0f}", f"{1000 * found['vocoder_s']:.0f}"]
    return [
        name,
        f"{count}",
        f"{1000 * first:.0f} ms",
        f"{1000 * percentile(found['first'], 99):.0f} ms",
        *parts,
        f"{1000 * found['gap_s']:.0f} ms",
        f"{found['underruns']}",
        f"{found['rtf']:.2f}",
        f"{found['row_steps_per_s']:.1f}",
    ]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(num_cores()))
    main()
