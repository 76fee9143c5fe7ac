"""Automatic batches (`batch_size: auto_max`) against fixed numbers of rows that a person would try, in the same run.

padding      100,000 long-tailed rows, and sentences, in the shards of a job: cells without a token
tone         a model that sleeps and whose memory ends: every fixed size, as read and sorted by length
adversarial  lengths that defeat rules of thumb, on the same model without sleep: what is lost, what is predicted
hibari       the torch network on one core; the three best sizes and auto_max run again in turn
gpu          the same on a GPU; only where there is one, else its figures are null

Each part has a process of its own and measures its model anew; the seconds which that takes are given and not counted.
A fixed batch that is out of memory is halved and tried again. In tone that costs no time, which favours fixed sizes, as
does that they have the whole device. One that takes some times longer than auto_max is stopped ("to 40%") and
judged by the tokens it has spoken; from the longest down those are the cheapest, which favours it again.

auto_max gets its rows in a job's shards, as if the corpus went on. A job's last window is cut ever finer so that many
replicas end together; what that takes from the batches of so few rows is given beside ("last window").

    python benchmarks/batching.py [--corpus FILE.csv] [--only PART] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from common import machine, measure, num_cores, parsed, show
from lib.batching_contenders import Arena, Contender, segments_of, speak_automatically
from lib.batching_corpora import (
    adversarial_lengths,
    adversarial_shards,
    lognormal_corpus,
    read_corpus,
    shards_of,
)
from lib.batching_report import COLUMNS, Part, worst_of

from speechmill.actors.batcher import calibration
from speechmill.actors.batcher.packing import pack_segments
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import load
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import ReplicaConfig

DEMO = Path(__file__).parent.parent / "configs" / "demo.csv"
SIZES = tuple(2**power for power in range(9))
GPU_SIZES = (*SIZES, 512, 1_024)
TINY_SIZES = (4, 16)
TINY = {"rows_padding": 200, "rows_tone": 40, "rows_hibari": 2, "rows_gpu": 4, "rounds": 0, "adversarial": 120}
AS_READ = Contender(16)
NUM_BEST = 3
"""Fixed contenders that are run again."""

DEVICE = {"memory_bytes": 8 * 2**30, "weights_bytes": 2**30, "cell_bytes": 50_000, "square_bytes": 100}
SLEEPING = {**DEVICE, "batch_s": 0.002, "cell_s": 5e-6, "memory_noise": 0.03, "max_length": 2_400}
DEARER = {400: 0.002, 2_000: 0.01, 10_000: 0.05}
"""Seconds of a batch by the cells that take as long: padding is worth more where a batch more is dear."""
# The longest row alone takes four fifths of this one, and calibration will not try it.
NARROW = {"memory_bytes": 2**30, "weights_bytes": 100 * 2**20, "cell_bytes": 50_000, "square_bytes": 100}
# A batch has to cost something: where it is free, one row at a time is as good as many and tells nothing of memory.
RESTLESS = {**NARROW, "batch_s": 1e-5, "memory_noise": 0.03, "max_length": 2_400}
QUIET = {"audio_char_s": 0.0005}
"""Sines that cost nothing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of it: the sizes, how many times longer than auto_max one may take, and rounds of the best again."""

    sizes: Sequence[int]
    patience: float
    rounds: int


def replica(model: str, *, options: Mapping[str, object] | None = None, **settings: Any) -> ReplicaConfig:
    """A replica's configuration with the defaults of a job."""
    device, backend = settings.pop("device", "cpu"), settings.pop("backend", "auto")
    config = ModelConfig(model, device, backend, options=options or {})
    return ReplicaConfig(config, **settings)


def compare(name: str, arena: Arena, num_rows: int, effort: Effort) -> Part:
    """auto_max, every fixed size in both orders, and the best of them again in turn."""
    part, auto, tapered = Part(), Contender(), Contender(is_tapered=True)
    outcomes = {auto: arena.run(auto), tapered: arena.run(tapered)}
    autos = [outcomes[auto]]
    for rows in (rows for rows in effort.sizes if rows <= num_rows or rows == AS_READ.rows):
        for is_sorted in (False, True):
            contender = Contender(rows, is_sorted)
            patience_s = float("inf") if contender == AS_READ else effort.patience * autos[0].seconds
            outcomes[contender] = arena.run(contender, patience_s)
    speeds = {contender: outcome.tokens_per_s / autos[0].tokens_per_s for contender, outcome in outcomes.items()}
    best = sorted((c for c in speeds if c.rows), key=lambda c: -speeds[c])[:NUM_BEST]
    ratios: dict[Contender, list[float]] = {contender: [] for contender in best}
    for _ in range(effort.rounds):
        autos.append(arena.run(auto))
        for contender in best:
            ratios[contender].append(autos[-1].tokens_per_s / arena.run(contender).tokens_per_s)
    settled = {c: statistics.median(found) if found else 1 / speeds[c] for c, found in ratios.items()}
    for contender, outcome in outcomes.items():
        again = f"{1 / settled[contender]:.3f}" if effort.rounds and contender in settled else ""
        part.add(name, contender, outcome, speeds[contender], again)
    part.figures = {
        "ratio_best_fixed": round(min(settled.values()), 3),
        "best_fixed": str(min(settled, key=lambda c: settled[c])),
        "ratio_best_fixed_last_window": round(min(settled.values()) * speeds[tapered], 3),
        "ratio_fixed16": round(1 / speeds[AS_READ], 3),
        **worst_of([*autos, outcomes[tapered]]),
        "padding": round(autos[0].padding, 4),
        "rows": num_rows,
        "rounds": effort.rounds,
        "profile_s": round(arena.profile_s, 2),
    }
    return part


def padding_part(arguments: argparse.Namespace) -> Part:
    """Long-tailed rows, and sentences."""
    part = Part()
    corpora = {
        "lognormal": lognormal_corpus(arguments.rows_padding),
        "sentences": read_corpus(arguments.corpus or DEMO, arguments.text_column),
    }
    for name, utterances in corpora.items():
        for cells, batch_s in DEARER.items():
            voice = tuned(replica("tone", options={**SLEEPING, **QUIET, "batch_s": batch_s}))
            for is_tapered in (True, False):
                packed = [
                    batch
                    for shard in shards_of(utterances, voice.model.info, is_tapered=is_tapered)
                    for batch in pack_segments(
                        segments_of(voice.model, shard.utterances),
                        voice.tuner.pack,
                        mixes_voices=voice.model.info.mixes_voices,
                    )
                ]
                key = ("" if is_tapered else "_untapered") + (
                    "" if cells == min(DEARER) else f"_batch_of_{cells}_cells"
                )
                part.add_padding(f"{name}{key}", f"{name}, {cells:,} cells", Contender(is_tapered=is_tapered), packed)
        model = load(replica("tone", options={**SLEEPING, **QUIET}).model)
        whole = segments_of(model, utterances)
        as_read = [whole[at : at + 16] for at in range(0, len(whole), 16)]
        part.add_padding(f"{name}_as_read", name, AS_READ, as_read)
    return part


def tone_part(arguments: argparse.Namespace) -> Part:
    """A model that sleeps."""
    rows = arguments.rows_tone
    effort = Effort(TINY_SIZES, 2.0, 1) if arguments.tiny else Effort(SIZES, 3.0, 2)
    arena = Arena(replica("tone", options={**SLEEPING, **QUIET}), corpus_of(arguments, rows))
    return compare("tone", arena, rows, effort)


def adversarial_part(arguments: argparse.Namespace) -> Part:
    """Each sequence on a replica that has learned nothing yet; unsorted shards of 1,000 rows."""
    part, outcomes = Part(), []
    config = replica("tone", options={**RESTLESS, **QUIET})
    count = arguments.adversarial // 6
    for name, lengths in adversarial_lengths(count).items():
        voice = tuned(config)
        outcomes.append(speak_automatically(voice, config, adversarial_shards(lengths)))
        part.add(f"adversarial, {name}", Contender(), outcomes[-1])
        part.figures[name.replace(" ", "_")] = worst_of(outcomes[-1:])
    part.figures |= {"lengths": 6 * count, **worst_of(outcomes)}
    return part


def hibari_part(arguments: argparse.Namespace) -> Part:
    """The real network on one core."""
    rows = arguments.rows_hibari
    effort = Effort(TINY_SIZES if arguments.tiny else SIZES, 2.0, arguments.rounds)
    arena = Arena(replica("hibari", backend="torch"), corpus_of(arguments, rows))
    return compare("hibari, CPU", arena, rows, effort)


def gpu_part(arguments: argparse.Namespace) -> Part:
    """The real network on a GPU, and what PyTorch reserves there under two bounds."""
    import torch

    if not torch.cuda.is_available():
        return Part(figures={"device": "cpu"})
    rows = arguments.rows_gpu
    effort = Effort(TINY_SIZES if arguments.tiny else GPU_SIZES, 3.0, arguments.rounds)
    reserved = 0

    def look() -> None:
        nonlocal reserved
        # Asked for after each batch: a replica begins its records anew before the next.
        reserved = max(reserved, torch.cuda.max_memory_reserved())

    config, utterances = replica("hibari", device="cuda", backend="torch"), corpus_of(arguments, rows)
    part = compare("hibari, GPU", Arena(config, utterances, look), rows, effort)
    for utilization in (0.5, 0.9):
        torch.cuda.empty_cache()
        reserved = 0
        arena = Arena(replace(config, vram_utilization=utilization), utterances, look)
        outcome = arena.run(Contender())
        part.add(f"hibari, GPU at {utilization:g}", Contender(), outcome)
        part.figures[f"utilization_{utilization:g}"] = {
            "reserved_over_bound": round(reserved / arena.voice.tuner.bound_bytes, 4),
            "reserved_bytes": reserved,
            "bound_bytes": arena.voice.tuner.bound_bytes,
            **worst_of([outcome]),
        }
    part.figures["device"] = torch.cuda.get_device_name()
    return part


def corpus_of(arguments: argparse.Namespace, rows: int) -> list[Utterance]:
    """The first rows of the corpus that was named, or long-tailed ones."""
    return read_corpus(arguments.corpus, arguments.text_column)[:rows] if arguments.corpus else lognormal_corpus(rows)


PARTS = {
    "padding": padding_part,
    "tone": tone_part,
    "adversarial": adversarial_part,
    "hibari": hibari_part,
    "gpu": gpu_part,
}


def summary(parts: Mapping[str, Part]) -> dict[str, Any]:
    """All figures: those of tone and of adversarial lengths at the top, None where a part was not run."""
    found = {name: parts[name].figures if name in parts else {} for name in PARTS}
    tone, hard, gpu = found["tone"], found["adversarial"], found["gpu"]
    on_gpu = len(gpu) > 1
    worst = {
        key: max((figures[key] for figures in (tone, hard) if key in figures), default=None)
        for key in ("oom_per_10k_batches", "peak_over_prediction")
    }
    return {
        **{f"padding_{name}": found["padding"].get(f"padding_{name}") for name in ("lognormal", "sentences")},
        **found["padding"],
        **{key: tone.get(key) for key in ("ratio_best_fixed", "ratio_fixed16")},
        **worst,
        "device": gpu["device"] if on_gpu else "cpu",
        "tone": tone or None,
        "adversarial": hard or None,
        "hibari_cpu": found["hibari"] or None,
        "gpu": gpu if on_gpu else None,
        "machine": machine(),
        "cores": num_cores(),
    }


def run_parts(names: Sequence[str], *, is_tiny: bool) -> dict[str, Part]:
    """Each in a process of its own, with an empty cache of profiles; tiny ones share a process."""
    parts: dict[str, Part] = {}
    for together in [names] if is_tiny else [[name] for name in names]:
        print(f"{' '.join(together)} …", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            child = [__file__, *sys.argv[1:], "--child", *together]
            answer = measure(child, {"SPEECHMILL_CACHE": folder}).answer
        parts |= {name: Part(**part) for name, part in answer.items()}
    return parts


def main() -> None:
    """Run the parts, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="csv to speak in place of long-tailed rows")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--rows-padding", type=int, default=100_000)
    parser.add_argument("--rows-tone", type=int, default=4_000)
    parser.add_argument("--rows-hibari", type=int, default=100)
    parser.add_argument("--rows-gpu", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5, help="of hibari's best, in turn")
    parser.add_argument("--adversarial", type=int, default=200_000, help="lengths, over six sequences")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--child", nargs="+", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parsed(parser, "a few rows, two fixed sizes, models measured for a moment", **TINY)
    if arguments.child:
        if arguments.tiny:
            calibration.CLIMB_S, calibration.TIME_S = 0.1, 0.2
        print(json.dumps({name: asdict(PARTS[name](arguments)) for name in arguments.child}))
        return
    parts = run_parts([arguments.only] if arguments.only else list(PARTS), is_tiny=bool(arguments.tiny))
    lines = [line for part in parts.values() for line in part.lines]
    show(f"auto_max and fixed batches, {machine()}", COLUMNS, lines, summary(parts))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
