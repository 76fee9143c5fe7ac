"""Which planted faults the judges catch, how many good clips they reject, and what that costs.

Sentences are spoken by the embedded voice. A part of them calibrates the judges, the next part is judged as it is, and
clips of that part get 18 kinds of fault each. Judges hear in the order given, as in a job: a clip that one rejects is
heard by no later one. Intervals are Wilson's, of 95 %. Everything runs on one core; CPU seconds are the process's.

    python benchmarks/quality.py [--clean N] [--planted N] [--sample N] [--judges signal duration forced transcript]
                                 [--whisper FOLDER_OR_SIZE] [--device cuda] [--corpus FILE.csv] [--tiny]
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common import machine, parsed, show

from speechmill.actors.audio.finishing import resample
from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig
from speechmill.actors.judges.calibration import calibrate
from speechmill.actors.judges.registry import load_judge

RECOMMENDED = ("signal", "duration", "forced")
TINY = {"clean": 12, "planted": 2, "sample": 40, "judges": ["signal", "duration"], "corpus": None, "chars": 70}
_BATCH = 64


@dataclass
class Heard:
    """One judge: what it was asked, what it rejected, what that cost."""

    name: str
    judge: Judge
    audio_s: float = 0.0
    cpu_s: float = 0.0
    rejected: dict[str, set[str]] = field(default_factory=dict)

    def rejects(self, kind: str, clips: Sequence[Hearing]) -> set[str]:
        """Ids of the clips that it rejects, of one kind."""
        found: set[str] = set()
        for at in range(0, len(clips), _BATCH):
            batch = [_at_rate(clip, self.judge.info.sample_rate) for clip in clips[at : at + _BATCH]]
            began_s = time.process_time()
            for clip, verdict in zip(batch, self.judge.judge(batch), strict=True):
                if verdict.reasons:
                    found.add(clip.id)
            self.cpu_s += time.process_time() - began_s
            self.audio_s += sum(clip.duration_s for clip in batch)
        self.rejected[kind] = found
        return found


def main() -> None:
    """Speak, calibrate, judge clean clips and planted ones."""
    arguments = parsed(_parser(), "forty short sentences calibrate, two faults of a kind, no recogniser", **TINY)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import torch
    from support.heard import speak
    from support.planted_faults import FAULTS, planted

    torch.set_num_threads(1)
    clips = speak(_texts(arguments))
    sample, clean = clips[: arguments.sample], clips[arguments.sample :]
    judges = [_calibrated(name, sample, arguments) for name in arguments.judges]
    _hear(judges, "clean", clean)
    for kind in FAULTS:
        made = [planted(kind, clean, at) for at in range(min(arguments.planted, len(clean)))]
        _hear(judges, kind, made)
        print(f"{kind}: {_share(judges, kind, len(made)):.2f}", file=sys.stderr, flush=True)
    num_planted = min(arguments.planted, len(clean))
    figures = _figures(judges, list(FAULTS), len(clean), num_planted)
    figures |= {
        "judges": arguments.judges,
        "clean": len(clean),
        "planted": num_planted,
        "sample": len(sample),
        "audio_s": round(sum(clip.duration_s for clip in clips), 1),
        "machine": machine(),
    }
    rows = [_row(judges, kind, num_planted) for kind in FAULTS]
    rows.append(_row(judges, "clean", len(clean)))
    rows.append(
        ["CPU s per audio s", *(f"{_cost(own):.4f}" for own in judges), f"{figures['cpu_s_per_audio_s']:.4f}", ""]
    )
    columns = ["rejected, %", *arguments.judges, "together", "95 % interval"]
    show(f"{num_planted} clips of each fault, {len(clean)} clean ones", columns, rows, figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=1_000, help="good clips that are judged")
    parser.add_argument("--planted", type=int, default=150, help="clips of each fault")
    parser.add_argument("--sample", type=int, default=500, help="clips that calibrate the judges")
    parser.add_argument("--judges", nargs="+", default=list(RECOMMENDED), help="in the order in which they hear")
    parser.add_argument("--false-rejects", type=float, default=0.006, help="of each judge, in its calibration")
    parser.add_argument("--whisper", help="weights for forced and transcript; default: those of the extra `quality`")
    parser.add_argument("--device", default="cpu", help="of judges that have a network")
    parser.add_argument("--corpus", help="a CSV with a column `text`; default: sentences that are made up")
    parser.add_argument("--chars", type=int, default=180, help="sentences have this many characters at most")
    return parser


def _texts(arguments: argparse.Namespace) -> list[str]:
    from support.made_sentences import sentences

    count = arguments.sample + arguments.clean
    if not arguments.corpus:
        made = sentences(count * 6 if arguments.tiny else count, seed=1)
        return [text for text in made if len(text) <= arguments.chars][:count]
    with Path(arguments.corpus).open(encoding="utf-8", newline="") as file:
        texts = dict.fromkeys(row["text"] for row in csv.DictReader(file))
    return [text for text in texts if 20 <= len(text) <= arguments.chars][:count]


def _calibrated(name: str, sample: Sequence[Hearing], arguments: argparse.Namespace) -> Heard:
    """A judge that has learned from the sample."""
    is_network = name not in ("signal", "duration")
    options = {"path": arguments.whisper} if arguments.whisper and name in ("forced", "transcript") else {}
    config = JudgeConfig(name, arguments.device if is_network else "cpu", options)
    rate = load_judge(config).info.sample_rate
    found = calibrate(config, [_at_rate(clip, rate) for clip in sample], arguments.false_rejects)
    return Heard(name, load_judge(replace(config, calibration=found.body)))


def _at_rate(clip: Hearing, rate: int | None) -> Hearing:
    if rate is None or rate == clip.sample_rate:
        return clip
    return replace(clip, samples=resample(clip.samples, clip.sample_rate, rate), sample_rate=rate)


def _hear(judges: Sequence[Heard], kind: str, clips: Sequence[Hearing]) -> None:
    """Clean clips are heard by all judges, so that each has its own false rejects; others until one rejects them."""
    left = list(clips)
    for own in judges:
        rejected = own.rejects(kind, left)
        if kind != "clean":
            left = [clip for clip in left if clip.id not in rejected]


def _together(judges: Sequence[Heard], kind: str) -> int:
    return len(set[str]().union(*(own.rejected[kind] for own in judges)))


def _share(judges: Sequence[Heard], kind: str, num: int) -> float:
    return _together(judges, kind) / max(1, num)


def _cost(own: Heard) -> float:
    return own.cpu_s / max(own.audio_s, 1e-9)


def _figures(judges: Sequence[Heard], kinds: Sequence[str], num_clean: int, num_planted: int) -> dict[str, Any]:
    return {
        "caught": {kind: round(_share(judges, kind, num_planted), 4) for kind in kinds},
        "caught_low": {kind: round(wilson(_together(judges, kind), num_planted)[0], 4) for kind in kinds},
        "false_rejects": round(_share(judges, "clean", num_clean), 4),
        "false_rejects_by_judge": {own.name: round(len(own.rejected["clean"]) / num_clean, 4) for own in judges},
        "cpu_s_per_audio_s": round(sum(map(_cost, judges)), 5),
        "cpu_s_per_audio_s_by_judge": {own.name: round(_cost(own), 5) for own in judges},
    }


def _row(judges: Sequence[Heard], kind: str, num: int) -> list[str]:
    low, high = wilson(_together(judges, kind), num)
    shares = (f"{100 * len(own.rejected[kind]) / num:.1f}" for own in judges)
    return [kind, *shares, f"{100 * _share(judges, kind, num):.1f}", f"{100 * low:.1f} - {100 * high:.1f}"]


def wilson(count: int, num: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share."""
    if not num:
        return 0.0, 1.0
    z, share = 1.96, count / num
    middle = share + z * z / (2 * num)
    reach = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    return max(0.0, (middle - reach) / (1 + z * z / num)), min(1.0, (middle + reach) / (1 + z * z / num))


if __name__ == "__main__":
    main()
