r"""F5-TTS: seconds of audio per second, padding, what guidance takes, and how well the cost is known in advance.

Rows are long-tailed: texts of 2 to 60 words, each with a clip of its own and its own seed, as a shard has them, longest
first. The weights are random ones of the published width and fewer layers, or those of `--weights`. The cost of a row
is predicted as frames times steps, before anything is spoken. On a CPU, seconds are those of one core, whatever else
runs on the machine. With `--peer PYTHON`, upstream f5-tts 1.1.22 speaks the
same rows with the same weights in the same run: in its own loop at batch 1, and in padded batches with its mask on;
`--parity` compares frames, waveforms, tokens and durations with its own, number by number.

    uv venv --python 3.11 PEER
    uv pip install --python PEER/bin/python torch torchaudio safetensors numpy
    uv pip install --python PEER/bin/python --no-deps f5-tts==1.1.22 vocos==0.1.0 x-transformers==2.31.10 \
        torchdiffeq==0.2.5 rjieba==0.2.2 pypinyin==0.55.0 "einx<0.4" einops loguru torch-einops-utils
    python benchmarks/f5tts.py [--rows N] [--steps N] [--layers N] [--hidden N] [--batch N] [--device cuda]
                               [--weights DIR] [--peer PEER/bin/python] [--parity] [--tiny]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine, num_cores, parsed, show
from lib.f5tts_parity import ask, clip_of, compare, job_of, same_rules

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.f5tts.checkpoint.layout import FULL, FULL_VOCODER, TINY, TINY_VOCODER, F5Sizes
from speechmill.actors.models.f5tts.checkpoint.random_weights import write_random
from speechmill.actors.models.f5tts.checkpoint.weights import Checkpoint
from speechmill.actors.models.f5tts.model import F5tts
from speechmill.actors.models.f5tts.voices.prompt import prompt_samples, prompt_words
from speechmill.actors.models.probe_texts import SENTENCES
from speechmill.actors.records.reference import Reference
from speechmill.actors.records.utterance import Segment

SAMPLE_RATE, HOP = 24_000, 256
COLUMNS = ["what", "batch", "RTFx", "padding", "of its time"]
TINY_RUN = {"rows": 4, "steps": 2, "batch": 3, "peer": None, "parity": False, "device": "cpu", "weights": None}


def main() -> None:
    """Ours alone and in batches, without guidance, then the peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layers", type=int, default=2, help="of random weights; 22 are published")
    parser.add_argument("--hidden", type=int, default=FULL.hidden, help="of random weights: a smaller width, all over")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--weights", help="a folder of weights; default: random ones")
    parser.add_argument("--peer", help="Python of an environment with f5-tts 1.1.22")
    parser.add_argument(
        "--parity", action="store_true", help="compare with the peer, number by number; no figures else"
    )
    parser.add_argument("--lines", help="a text file of lines for the parity of tokens and durations")
    arguments = parsed(parser, "tiny random weights, four rows, no peer", **TINY_RUN)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.weights is None:
            arguments.weights = str(Path(folder) / "random")
            is_narrow = arguments.tiny or arguments.hidden < FULL.hidden
            sizes = TINY if arguments.tiny else narrowed(arguments.hidden, arguments.layers)
            write_random(Path(arguments.weights), sizes, TINY_VOCODER if is_narrow else FULL_VOCODER, 0)
        if arguments.parity:
            parity(arguments, Path(folder))
        else:
            measure(arguments, Path(folder))


def narrowed(hidden: int, layers: int) -> F5Sizes:
    """The published sizes with fewer layers, and with a smaller width all over."""
    ffn, text = hidden * FULL.ffn // FULL.hidden, hidden * FULL.text_hidden // FULL.hidden
    return replace(FULL, hidden=hidden, ffn=ffn, num_layers=layers, text_hidden=text, text_ffn=2 * text)


def parity(arguments: argparse.Namespace, folder: Path) -> None:
    """Every comparison with the peer."""
    checkpoint = Checkpoint.open(Path(arguments.weights))
    lines = [line for line in Path(arguments.lines).read_text().splitlines() if line] if arguments.lines else []
    rules = same_rules(folder / "rules", arguments.peer, checkpoint, lines or [*SENTENCES["en"], *SENTENCES["zh"]])
    apart = compare(folder / "parity", arguments.peer, checkpoint, num_cores())
    figures = {"largest_difference": max(apart.values()), **rules, "differences": apart, "machine": machine()}
    show("F5-TTS against upstream", ["what", "difference"], [[k, f"{v:.1e}"] for k, v in apart.items()], figures)


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Ours in several ways, and the peer in the same run; on a CPU each with one thread, and the time of that."""
    if arguments.device == "cpu":
        torch.set_num_threads(1)
    rows = segments(loaded(arguments, {}), arguments.rows)
    ways: dict[str, tuple[dict[str, object], int]] = {
        "alone": ({}, 1),
        "batches": ({"deterministic": False}, arguments.batch),
        "without guidance": ({"guidance": 0}, 1),
    }
    runs = {name: speak(loaded(arguments, options), rows, size) for name, (options, size) in ways.items()}
    audio_s = runs["alone"][1]
    rtfx = {name: made / seconds for name, (seconds, made, _) in runs.items()}
    best = "batches" if rtfx["batches"] > rtfx["alone"] else "alone"
    peer = upstream(arguments, folder, rows) if arguments.peer else {}
    paddings = {name: padding(rows, size) for name, (_, size) in ways.items()}
    seconds, _, each = runs["alone"]
    figures = {
        "rtfx": round(rtfx[best], 4),
        "ratio_original": round(peer["alone_s"] / runs[best][0], 3) if peer else None,
        "ratio_original_batched": round(peer["batched_s"] / runs[best][0], 3) if peer else None,
        "cost_error": frames_apart(rows, each),
        "seconds_error": round(seconds_apart(arguments.steps, rows, each), 3),
        "padding": round(paddings[best], 4),
        "padding_in_order": round(padding(sorted(rows, key=lambda row: row.row), arguments.batch), 4),
        "guidance_share": round(1 - runs["without guidance"][0] / seconds, 3),
        "device": arguments.device,
        "rows": len(rows),
        "steps": arguments.steps,
        "audio_s": round(audio_s, 2),
        "rtfx_by_run": {name: round(value, 4) for name, value in rtfx.items()},
        "machine": machine(),
    }
    table = [
        [name, str(ways[name][1]), f"{rtfx[name]:.3f}", f"{paddings[name]:.0%}", f"{runs[name][0]:.2f} s"]
        for name in runs
    ]
    for name in ("alone", "batched") if peer else ():
        table.append([f"upstream {name}", "", f"{audio_s / peer[f'{name}_s']:.3f}", "", f"{peer[f'{name}_s']:.2f} s"])
    show(f"F5-TTS, {len(rows)} rows", COLUMNS, table, figures)


def loaded(arguments: argparse.Namespace, options: dict[str, object]) -> F5tts:
    """The model with these options."""
    options = {"steps": arguments.steps, **options}
    return F5tts(ModelConfig("f5tts", arguments.device, path=arguments.weights, options=options))


def segments(model: F5tts, count: int) -> list[Segment]:
    """Rows of lengths with a long tail, each with its own clip and seed, longest first."""
    draws, noise = random.Random(1), np.random.default_rng(1)
    words = [word for sentence in SENTENCES["en"] for word in sentence.split()]
    made: list[Segment] = []
    for row in range(count):
        start, length = draws.randrange(len(words)), min(60, max(2, round(draws.lognormvariate(2.3, 0.8))))
        text = " ".join(words[(start + at) % len(words)] for at in range(length))
        samples = noise.normal(0, 0.1, round(SAMPLE_RATE * draws.uniform(1.0, 2.0)))
        clip = Reference.of(samples.astype(np.float32), SAMPLE_RATE, "Take the second path.")
        made.append(Segment(row, 0, text, model.prepare_like(clip, "", text, ""), row, "", 1.0, reference=clip))
    return sorted(made, key=lambda segment: -segment.length)


def speak(model: F5tts, rows: Sequence[Segment], size: int) -> tuple[float, float, list[tuple[float, int]]]:
    """Seconds, seconds of audio, and for each batch its seconds and the samples of its first row."""
    clock = time.process_time if model.device == "cpu" else time.perf_counter
    model.speak(rows[-1:])
    each: list[tuple[float, int]] = []
    samples = 0
    for start in range(0, len(rows), size):
        began = clock()
        waves = model.speak(rows[start : start + size])
        each.append((clock() - began, len(waves[0])))
        samples += sum(map(len, waves))
    return sum(seconds for seconds, _ in each), samples / SAMPLE_RATE, each


def frames_apart(rows: Sequence[Segment], each: Sequence[tuple[float, int]]) -> float:
    """The largest share by which frames times steps, as predicted, differ from what was computed."""
    computed = [
        prompt_samples(row.reference) // HOP + samples // HOP + 1
        for row, (_, samples) in zip(rows, each, strict=True)
        if row.reference is not None
    ]
    return max(abs(row.length - frames) / frames for row, frames in zip(rows, computed, strict=True))


def seconds_apart(steps: int, rows: Sequence[Segment], each: Sequence[tuple[float, int]]) -> float:
    """How far seconds are from being in proportion to frames times steps: the mean share, by the rate of all."""
    costs = np.asarray([row.length * steps for row in rows], np.float64)
    seconds = np.asarray([took for took, _ in each])
    predicted = costs * seconds.sum() / costs.sum()
    return float(np.abs(predicted - seconds).sum() / seconds.sum())


def padding(rows: Sequence[Segment], size: int) -> float:
    """The share of cells that hold nothing."""
    batches = [[row.length for row in rows[start : start + size]] for start in range(0, len(rows), size)]
    return 1 - sum(map(sum, batches)) / sum(len(batch) * max(batch) for batch in batches)


def upstream(arguments: argparse.Namespace, folder: Path, rows: Sequence[Segment]) -> dict[str, Any]:
    """Seconds of the same rows, in the order of the corpus, as upstream speaks them."""
    ordered = sorted(rows, key=lambda row: row.row)
    clips = {f"clip{row.row}": clip_of(row.reference) for row in ordered if row.reference is not None}
    told = [
        {"clip": f"clip{row.row}", "text": prompt_words(row.reference) + row.text, "num_frames": row.length}
        for row in ordered
        if row.reference is not None
    ]
    job = job_of(Checkpoint.open(Path(arguments.weights)), 1) | {
        "rows": told,
        "steps": arguments.steps,
        "guidance": 2.0,
        "batch": arguments.batch,
    }
    return ask(folder / "timed", arguments.peer, job, clips)[0]


if __name__ == "__main__":
    main()
