"""ChatTTS with random weights of full size: rows of long-tailed lengths, each with a voice and a seed of its own.

Every row is made exactly as long as was drawn for it, so that both sides speak the same. With `--peer PYTHON`, upstream
chattts 0.2.5 speaks the same texts with the same weights in the same run (`chattts_parity.py` says how to make its
virtual environment), in the two ways that it has:

one by one   every row with its own seed and speaker, as was asked; every so manieth row, longest and shortest included
one batch    all rows in one batch, which share one speaker and seed; it computes until the longest row ends

    python benchmarks/chattts.py [--rows N] [--slots N] [--device cuda] [--dtype bfloat16] [--peer PYTHON] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine, measure, num_cores, parsed, show

from speechmill.actors.batcher.budget import Budget
from speechmill.actors.device.memory import memory_of
from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.request import Sampling
from speechmill.actors.models.chattts.checkpoint.layout import FULL, SAMPLE_RATE, TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.models.chattts.text.tokens import Tokenizer
from speechmill.actors.models.chattts.voices.speaker import sampled

UPSTREAM = Path(__file__).with_name("chattts_upstream.py")
STEP_S = 2 * 256 / SAMPLE_RATE
CHAR_S = 0.2
PROMPT = "[speed_5]"
TINY_RUN = {"rows": 8, "median_steps": 8, "longest_steps": 16, "slots": 4, "peer": None, "copied_bytes": 2**20}
COLUMNS = ["", "RTFx", "rows", "steps / s", "rows × steps / s", "used", "prefill", "decode", "vocoder", "peak GB"]


def main() -> None:
    """Both sides in turn, or one of them as a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="default: 64 on a CPU, 2,000 on a GPU")
    parser.add_argument("--median-steps", type=int, help="default: 40 on a CPU, 150 on a GPU")
    parser.add_argument("--longest-steps", type=int, help="99th percentile and limit; default: 320, and 1,200")
    parser.add_argument("--slots", type=int, help="default: measured, as in a job")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--weights", type=Path, help="folder of weights; default: random ones, written for this run")
    parser.add_argument("--peer", help="Python of a virtual environment with chattts 0.2.5")
    parser.add_argument("--peer-rows", type=int, default=16, help="rows that upstream speaks one by one")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(copied_bytes=2**28)
    arguments = parsed(parser, "tiny weights, eight short rows in four slots, no peer", **TINY_RUN)
    is_gpu = arguments.device == "cuda"
    arguments.rows = arguments.rows or (2_000 if is_gpu else 64)
    arguments.median_steps = arguments.median_steps or (150 if is_gpu else 40)
    arguments.longest_steps = arguments.longest_steps or (1_200 if is_gpu else 320)
    if arguments.child:
        print(json.dumps(speak(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.weights is None:
            write_random(Path(folder), TINY if arguments.tiny else FULL, seed=0)
            sys.argv += ["--weights", folder]
            arguments.weights = Path(folder)
        ours = measure([__file__, *sys.argv[1:], "--child"])
        found = ours.answer
        if not found["peak_bytes"]:
            found["peak_bytes"] = ours.peak_root_bytes
        peers = upstream(arguments, Path(folder)) if arguments.peer else {}
    report(arguments, found, peers)


def lengths(arguments: argparse.Namespace) -> list[int]:
    """Steps of each row: log-normal, 99th percentile and limit at `longest_steps`."""
    sigma = np.log(arguments.longest_steps / arguments.median_steps) / 2.3263
    drawn = np.random.default_rng(0).lognormal(np.log(arguments.median_steps), sigma, arguments.rows)
    return drawn.round().clip(4, arguments.longest_steps).astype(int).tolist()


def texts(steps: list[int]) -> list[str]:
    """A text for each row, about as long as its speech: Chinese, which is a token a character in random weights too."""
    chance = random.Random(0)
    return [
        "".join(chr(chance.randrange(0x4E00, 0x8000)) for _ in range(max(2, int(n * STEP_S / CHAR_S)))) for n in steps
    ]


def speak(arguments: argparse.Namespace) -> dict[str, Any]:
    """Our side."""
    checkpoint = Checkpoint.open(arguments.weights)
    steps = lengths(arguments)
    options = Options(
        dtype=arguments.dtype, incomplete="keep", deterministic=arguments.deterministic, compile=arguments.compile
    )
    is_gpu = arguments.device == "cuda"
    dtype = ("bfloat16" if is_gpu else "float32") if arguments.dtype == "auto" else arguments.dtype
    began = time.perf_counter()
    speech = ChatttsSpeech(checkpoint, arguments.device, dtype, options)
    lines = prompts(checkpoint, steps)
    positions = max(len(line.tokens) for line in lines) + max(steps)
    memory = memory_of(arguments.device)
    budget = Budget(memory.total(), memory.others(), 0.9, 1.0, memory.held())
    slots = speech.reserve(budget.usable, arguments.slots, positions, 0, 512 if is_gpu else 64)
    ready_s = time.perf_counter() - began
    list(speech.speak(lines[:2]))  # kernels and buffers are there
    spent = Spent(speech, arguments.device)
    before = speech.usage
    if is_gpu:
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    order = sorted(range(len(lines)), key=lambda n: -steps[n])
    num_samples = 0
    for number, wave in speech.speak(lines[n] for n in order):
        if isinstance(wave, Exception):
            raise SystemExit(f"row {order[number]} was not spoken: {wave}")
        num_samples += len(wave)
    seconds = time.perf_counter() - began
    audio_s = num_samples / SAMPLE_RATE
    used = speech.usage
    num_steps, row_steps = used.steps - before.steps, used.row_steps - before.row_steps
    decode_s = seconds - spent.prefill_s - spent.vocoder_s
    weights, per_position = bytes_read(checkpoint, dtype)
    read = num_steps * weights + per_position * sum(
        n * (len(line.tokens) + n / 2) for n, line in zip(steps, lines, strict=True)
    )
    return {
        "rtfx": audio_s / seconds,
        "audio_s": audio_s,
        "seconds": seconds,
        "steps_per_s": num_steps / seconds,
        "row_steps_per_s": row_steps / seconds,
        "useful_slots": row_steps / (used.slot_steps - before.slot_steps),
        "occupied_slots": row_steps / (num_steps * slots),
        "slots": slots,
        "ready_s": ready_s,
        "split": {"prefill": spent.prefill_s / seconds, "vocoder": spent.vocoder_s / seconds},
        "bandwidth_fraction": read / decode_s / copy_bandwidth(arguments.device, arguments.copied_bytes),
        "peak_bytes": torch.cuda.max_memory_allocated() if is_gpu else 0,
        "dtype": dtype,
    }


def prompts(checkpoint: Checkpoint, steps: list[int]) -> list[Line]:
    """A line for each row, with its own speaker and seed, that is exactly so many steps long."""
    tokenizer = Tokenizer(checkpoint.tokenizer_file, checkpoint.sizes)
    return [
        Line(
            tokens=tuple(tokenizer.speak_prompt(text, PROMPT, has_speaker=True)),
            speaker=sampled(row, checkpoint.sizes.hidden),
            sample=None,
            seed=row,
            # One more than it may have: the end is not drawn.
            sampling=Sampling(min_steps=n + 1, max_steps=n),
        )
        for row, (text, n) in enumerate(zip(texts(steps), steps, strict=True))
    ]


class Spent:
    """Seconds in prompts and in decoding to audio; on a GPU each is waited for, which costs some of the overlap."""

    def __init__(self, speech: ChatttsSpeech, device: str) -> None:
        self.prefill_s = self.vocoder_s = 0.0
        self._device = device
        synthesis: Any = speech.synthesis
        passes = synthesis._engines["speak"]._engine._forward
        passes._fill = self._timed(passes._fill, "prefill_s")
        synthesis._decode = self._timed(synthesis._decode, "vocoder_s")

    def _timed(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*values: Any) -> Any:
            self._wait()
            began = time.perf_counter()
            result = call(*values)
            self._wait()
            setattr(self, name, getattr(self, name) + time.perf_counter() - began)
            return result

        return timed

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def bytes_read(checkpoint: Checkpoint, dtype: str) -> tuple[int, int]:
    """Of the weights at each step, and of keys and values for each position of a row."""
    s, kind = checkpoint.sizes, getattr(torch, dtype)
    layer = 4 * s.hidden**2 + 3 * s.hidden * s.ffn
    numbers = s.num_layers * layer + s.num_vq * s.audio_vocab * s.hidden
    return numbers * kind.itemsize, Cache.bytes_per_position(s.num_layers, s.num_heads, s.head_dim, kind)


def copy_bandwidth(device: str, num_bytes: int) -> float:
    """Bytes read and written per second by the fastest of some copies of so many bytes."""
    source = torch.ones(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(6):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * num_bytes / best


def upstream(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Upstream's two ways, in a process of its own each."""
    steps = lengths(arguments)
    order = sorted(range(len(steps)), key=lambda n: steps[n])
    count = min(arguments.peer_rows, len(steps))
    chosen = [order[round(at * (len(order) - 1) / max(1, count - 1))] for at in range(count)]
    spoken = texts(steps)
    found: dict[str, dict[str, Any]] = {}
    for name, rows in (("one by one", chosen), ("one batch", order[-64:])):
        wanted = [steps[row] for row in rows]
        job = {
            "weights": str(arguments.weights.resolve()),
            "device": arguments.device,
            "num_threads": num_cores(),
            "is_batch": name == "one batch",
            "texts": [spoken[row] for row in rows],
            "steps": wanted,
            "prompt": PROMPT,
        }
        file = folder / "upstream-job.json"
        file.write_text(json.dumps(job))
        print(f"upstream, {name} …", file=sys.stderr)
        done = subprocess.run([arguments.peer, str(UPSTREAM), str(file)], stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout.strip().splitlines()[-1]) | {"rows": len(rows), "steps": sum(wanted)}
    return found


def report(arguments: argparse.Namespace, ours: dict[str, Any], peers: dict[str, dict[str, Any]]) -> None:
    """The table and the JSON line."""
    split = ours["split"]
    rows = [
        [
            f"speechmill, {ours['slots']} slots, {ours['dtype']}",
            f"{ours['rtfx']:.2f}",
            f"{arguments.rows}",
            f"{ours['steps_per_s']:.2f}",
            f"{ours['row_steps_per_s']:.1f}",
            f"{ours['useful_slots']:.0%}",
            f"{split['prefill']:.0%}",
            f"{1 - split['prefill'] - split['vocoder']:.0%}",
            f"{split['vocoder']:.0%}",
            f"{ours['peak_bytes'] / 1e9:.2f}",
        ]
    ]
    for name, peer in peers.items():
        audio_s = peer["steps"] * STEP_S
        peer["rtfx"] = audio_s / peer["seconds"]
        rows.append(
            [
                f"upstream, {name}",
                f"{peer['rtfx']:.2f}",
                f"{peer['rows']}",
                f"{peer['computed_steps'] / peer['seconds']:.2f}",
                f"{peer['steps'] / peer['seconds']:.1f}",
                f"{peer['steps'] / peer['slot_steps']:.0%}",
                "",
                "",
                f"{peer['vocoder_s'] / peer['seconds']:.0%}",
                f"{peer['peak_bytes'] / 1e9:.2f}",
            ]
        )
    figures = {key: round(ours[key], 4) if isinstance(ours[key], float) else ours[key] for key in ours}
    for key, name in (("ratio_upstream", "one by one"), ("ratio_upstream_batched", "one batch")):
        figures[key] = round(ours["rtfx"] / peers[name]["rtfx"], 2) if name in peers else None
    figures["useful_slots_upstream"] = (
        round(peers["one batch"]["steps"] / peers["one batch"]["slot_steps"], 4) if peers else None
    )
    figures |= {"device": device_name(arguments.device), "rows": arguments.rows, "machine": machine()}
    show(f"ChatTTS, random weights, {figures['device']}", COLUMNS, rows, figures)


def device_name(device: str) -> str:
    """As the figures are quoted with."""
    return torch.cuda.get_device_name() if device == "cuda" else machine()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(num_cores()))
    main()
