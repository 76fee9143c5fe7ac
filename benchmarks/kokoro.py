"""Kokoro: seconds of audio per second by batch and number format, where the time goes, and memory against prediction.

Rows are the English ones of `configs/kokoro.csv`, each with its own seed and one of the voices at hand. The weights are
those of the extra `kokoro-demo`, or of `--weights`. With `--peer PYTHON`, upstream kokoro 0.9.4 speaks the same
phonemes with the same weights in its own loop, row by row, in the same run, and both are compared number by number.
PYTHON is that of a virtual environment with torch, transformers, loguru and kokoro 0.9.4 (the last with `--no-deps`).

Memory is predicted as a job does: from what small batches took, by rows times the longest.

    python benchmarks/kokoro.py [--rows N] [--batches 1 4 16 64] [--dtypes float32 bfloat16] [--device cuda]
                                [--weights DIR] [--peer PYTHON] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import machine, parsed, show
from lib.kokoro_parity import compare, upstream_seconds, write_random_folder

from speechmill.actors.device.memory import memory_of
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.kokoro.model import Kokoro
from speechmill.actors.records.utterance import Segment

CORPUS = Path(__file__).parent.parent / "configs" / "kokoro.csv"
SAMPLE_RATE = 24_000
COLUMNS = ["dtype", "batch", "RTFx", "prosody", "padding", "peak over prediction"]
TINY = {"rows": 2, "batches": [1, 2], "dtypes": ["float32", "bfloat16"], "peer": None, "device": "cpu"}


@dataclass(frozen=True, slots=True)
class Run:
    """One number format and batch size; shares are of the time in the model, and of cells of tokens."""

    dtype: str
    batch: int
    audio_s: float
    seconds: float
    prosody_share: float
    padding: float
    peak_over_prediction: float

    @property
    def rtfx(self) -> float:
        """Seconds of audio per second."""
        return self.audio_s / self.seconds

    @property
    def row(self) -> list[str]:
        """For the table."""
        shares = (f"{share:.0%}" for share in (self.prosody_share, self.padding))
        return [self.dtype, str(self.batch), f"{self.rtfx:.2f}", *shares, f"{self.peak_over_prediction:.2f}"]


def main() -> None:
    """Every number format at every batch size; then the peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--weights", help="a folder of weights; default: those of the extra kokoro-demo")
    parser.add_argument("--peer", help="Python of a virtual environment with kokoro 0.9.4")
    arguments = parsed(parser, "random weights, two rows, no peer", **TINY)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tiny:
            arguments.weights = write_random_folder(Path(folder) / "tiny")
        runs = [run for dtype in arguments.dtypes for run in measured(arguments, dtype)]
        best = max(runs, key=lambda run: run.rtfx)
        peer = upstream(Path(folder), arguments) if arguments.peer else {}
    figures = {
        "rtfx": round(best.rtfx, 3),
        "ratio_original": round(best.rtfx / peer["rtfx"], 3) if peer else None,
        "batch": best.batch,
        "dtype": best.dtype,
        "device": arguments.device,
        "peak_over_prediction": round(max(run.peak_over_prediction for run in runs), 3),
        "rows": arguments.rows,
        "audio_s": round(best.audio_s, 2),
        "prosody_share": round(best.prosody_share, 3),
        "rtfx_by_run": {f"{run.dtype} {run.batch}": round(run.rtfx, 3) for run in runs},
        "rtfx_original": round(peer["rtfx"], 3) if peer else None,
        "parity": peer.get("parity"),
        "machine": machine(),
    }
    show(f"Kokoro, {arguments.rows} rows", COLUMNS, [run.row for run in runs], figures)


def measured(arguments: argparse.Namespace, dtype: str) -> list[Run]:
    """The model in one number format at every batch size."""
    model = loaded(arguments, dtype)
    rows = segments(model, arguments.rows)
    memory = memory_of(arguments.device)
    model.speak(rows[:1])
    coefficient = bytes_per_cell(model, rows)
    runs: list[Run] = []
    for batch in arguments.batches:
        memory.release()
        rest, audio, peak, predicted = memory.held(), 0, 0.0, 0.0
        prosody_s, began = 0.0, time.perf_counter()
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            memory.watch()
            audio += sum(map(len, model.speak(some)))
            peak = max(peak, memory.peak() - rest)
            predicted = max(predicted, coefficient * len(some) * max(row.length for row in some))
        seconds = time.perf_counter() - began
        for start in range(0, len(rows), batch):
            prosody_began = time.perf_counter()
            with torch.inference_mode():
                model.synthesis.prosody(rows[start : start + batch])
            prosody_s += time.perf_counter() - prosody_began
        cells = sum(len(some) * max(row.length for row in some) for some in _batches(rows, batch))
        padding = 1 - sum(row.length for row in rows) / cells
        share = min(1.0, prosody_s / seconds)
        runs.append(Run(dtype, batch, audio / SAMPLE_RATE, seconds, share, padding, peak / max(predicted, 1.0)))
    return runs


def loaded(arguments: argparse.Namespace, dtype: str) -> Kokoro:
    """The model, with batches that are batches, also on a CPU."""
    options: dict[str, object] = {"dtype": dtype, "deterministic": False, "language": "en-us"}
    if arguments.weights is None:
        options["weights"] = "demo"
    return Kokoro(ModelConfig("kokoro", arguments.device, path=arguments.weights, options=options))


def segments(model: Kokoro, count: int) -> list[Segment]:
    """English rows, longest first, as a shard has them, each with its own voice and seed."""
    with CORPUS.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["language"] == "en"]
    names = model.info.voices
    made = [
        Segment(row, 0, text, model.prepare(text, names[0]), row, (*names, "by_seed")[row % (len(names) + 1)], 1.0)
        for row, text in ((row, texts[row % len(texts)]) for row in range(count))
    ]
    return sorted(made, key=lambda segment: -segment.length)


def bytes_per_cell(model: Kokoro, rows: list[Segment]) -> float:
    """What a cell of a batch takes: of two rows, the shortest and the longest, each alone."""
    memory = memory_of(model.synthesis.device)
    points: list[tuple[int, int]] = []
    for row in (rows[-1], rows[0]):
        memory.release()
        rest = memory.held()
        memory.watch()
        model.speak([row])
        points.append((row.length, memory.peak() - rest))
    return max(peak / length for length, peak in points)


def upstream(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Parity with upstream, and how fast its own loop is."""
    model = loaded(arguments, "float32")
    rows = segments(model, arguments.rows)
    parity = compare(folder, arguments.peer)
    styles = [model.styles.style(row.voice, row.seed, row.length - 2) for row in rows]
    seconds, audio_s = upstream_seconds(folder, arguments.peer, [row.prepared.tokens for row in rows], styles)
    return {"rtfx": audio_s / seconds, "parity": parity}


def _batches(rows: list[Segment], size: int) -> list[list[Segment]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


if __name__ == "__main__":
    main()
