"""Thresholds from a sample of ordinary clips: `speechmill judge --calibrate N`.

Guaranteed: the same corpus and numbers give the same sample, spread over its parts, and the same file. Each judge hears
every clip of the sample; what it learns of them is its own affair. The file is for `--calibration`, and for
`quality.calibration` of a job.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from ...actors.audio.finishing import resample
from ...actors.gate.config import GateConfig
from ...actors.judges.base import Hearing, JudgeConfig, JudgeInfo
from ...actors.judges.calibration import calibrate as calibrate_judge
from ...actors.judges.registry import describe_judge, judge_class
from ...cluster.storage import open_storage
from ...errors import CorpusError, RunStopped, SpecError, StorageDenied
from .audio_corpus import AudioCorpus, AudioCorpusOptions, AudioPart
from .ears import JudgingOptions, gate_of
from .hearing import hearing_of
from .judged_clip import JudgedClip
from .open_corpus import open_corpus
from .summary import NUM_WORST, BadClip, Tally, Worst

MIN_CLIPS = 30
_SPREAD = 40
"""Parts that a sample is taken from, where there are as many."""


@dataclass(frozen=True, slots=True)
class CalibrationSummary:
    """The result of a calibration.

    Attributes:
        file: Where it was written
        num_clips: Clips of the sample; `num_left_out` more could not be heard
        judges: What the file holds of each judge
        costs: Seconds of one core per second of audio
        num_rejected: Clips of the sample that each judge rejects, under its new thresholds
        worst: The clips farthest out, rejected or not, the worst first
    """

    corpus: str
    file: str
    num_clips: int
    num_left_out: int
    audio_s: float
    false_rejects: float
    judges: Mapping[str, Mapping[str, object]]
    costs: Mapping[str, float]
    num_rejected: Mapping[str, int]
    worst: Sequence[BadClip]

    @property
    def body(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def calibrate(
    options: AudioCorpusOptions, file: str, how: JudgingOptions, num_clips: int, false_rejects: float = 0.01
) -> CalibrationSummary:
    """Measure judges on a sample of a corpus, and write the file.

    Args:
        options: The corpus.
        file: The path or URI of the file; an older one is replaced.
        how: The judges; thresholds that their options set stay.
        num_clips: Of the sample; they are held in memory, half a megabyte each.
        false_rejects: The share of them that each judge may reject.

    Raises:
        SpecError: A number makes no sense
        CorpusError: Fewer than 30 clips can be heard
        JobError: Something is wrong with the corpus or a judge
    """
    if num_clips < MIN_CLIPS:
        raise SpecError(f"--calibrate {num_clips}: at least {MIN_CLIPS} clips, 500 or more for one in a hundred")
    if not 0 < false_rejects < 1:
        raise SpecError(f"--false-rejects is {false_rejects}; it has to lie between 0 and 1, as in 0.01")
    if how.calibration is not None:
        raise SpecError("--calibrate measures anew; leave --calibration out")
    gate = gate_of(how, options.s3)
    folder, _, name = file.rpartition("/")
    storage = open_storage(folder or ("/" if file.startswith("/") else "."), options.s3)
    corpus = open_corpus(options)
    clips, places, num_left_out = _sample(corpus, num_clips)
    if len(clips) < MIN_CLIPS:
        raise CorpusError(f"{options.uri}: {len(clips)} clips can be heard; a calibration needs {MIN_CLIPS} at least")
    judges, costs, rejected, worst = _calibrated(gate, clips, places, false_rejects)
    audio_s = round(sum(clip.duration_s for clip in clips), 3)
    body = {
        "corpus": options.uri,
        "num_clips": len(clips),
        "audio_s": audio_s,
        "false_rejects": false_rejects,
        "judges": judges,
        "costs": costs,
    }
    storage.put(name, (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode())
    return CalibrationSummary(
        options.uri,
        storage.location(name),
        len(clips),
        num_left_out,
        audio_s,
        false_rejects,
        judges,
        costs,
        rejected,
        worst,
    )


def _calibrated(
    gate: GateConfig, clips: Sequence[Hearing], places: Sequence[str], false_rejects: float
) -> tuple[dict[str, Mapping[str, object]], dict[str, float], dict[str, int], tuple[BadClip, ...]]:
    """What each judge learns, what it costs, how many clips it rejects then; and the clips farthest out."""
    judges: dict[str, Mapping[str, object]] = {}
    costs: dict[str, float] = {}
    rejected: dict[str, int] = {}
    rows = [
        JudgedClip(row, clip.id, "passed", text=clip.text, voice=clip.voice, audio=place, duration_s=clip.duration_s)
        for row, (clip, place) in enumerate(zip(clips, places, strict=True))
    ]
    infos: list[JudgeInfo] = []
    for config in gate.judges:
        info = describe_judge(config)
        heard = [_at_rate(clip, info.sample_rate) for clip in clips]
        made = calibrate_judge(config, heard, false_rejects)
        judges[config.name] = made.body
        info = describe_judge(replace(config, calibration=made.body))
        infos.append(info)
        costs[info.name] = round(_cost(replace(config, calibration=made.body), heard), 6)
        rejected[info.name] = sum(bool(verdict.reasons) for verdict in made.verdicts)
        for at, verdict in enumerate(made.verdicts):
            scores = {f"{info.name}.{name}": float(score) for name, score in verdict.scores.items()}
            reasons = tuple(f"{info.name}: {reason}" for reason in verdict.reasons)
            rows[at] = replace(
                rows[at],
                scores={**rows[at].scores, **scores},
                reasons=rows[at].reasons + reasons,
                heard=verdict.heard or rows[at].heard,
            )
    tally = Tally()
    for row in rows:
        tally.add(row)
    worst = Worst(tally.scores(infos), NUM_WORST)
    for row in rows:
        worst.add(row)
    return judges, costs, rejected, worst.clips


def _cost(config: JudgeConfig, clips: Sequence[Hearing]) -> float:
    """Seconds of one core that a judge takes per second of audio, on some of the clips."""
    judge = judge_class(config.name)(config)
    some = clips[:MIN_CLIPS]
    judge.judge(some[:1])  # what is loaded late
    began_s = time.process_time()
    size = judge.info.max_batch if judge.info.is_batch_invariant else 1
    for start in range(0, len(some), size):
        judge.judge(some[start : start + size])
    return (time.process_time() - began_s) / max(1e-9, sum(clip.duration_s for clip in some))


def _at_rate(clip: Hearing, sample_rate: int | None) -> Hearing:
    if sample_rate is None or sample_rate == clip.sample_rate:
        return clip
    return replace(clip, samples=resample(clip.samples, clip.sample_rate, sample_rate), sample_rate=sample_rate)


def _sample(corpus: AudioCorpus, num_clips: int) -> tuple[list[Hearing], list[str], int]:
    """Clips that can be heard, where each lies, and how many cannot be heard."""
    clips: list[Hearing] = []
    places: list[str] = []
    num_left_out = 0
    parts = sorted(corpus.parts(), key=lambda part: hashlib.blake2b(part.digest.encode()).digest())
    for at, part in enumerate(parts):
        # What is still wanted, over the parts that it is still to come from.
        share = -(-(num_clips - len(clips)) // max(1, min(_SPREAD, len(parts)) - at))
        for found in islice(_spread(part, share), max(0, share)):
            try:
                if found.fault:
                    raise ValueError(found.fault)
                sound = found.load()
                if not len(sound.samples):
                    raise ValueError("it has no samples")
            except (RunStopped, StorageDenied):
                raise
            except Exception:  # the judging names such clips
                num_left_out += 1
                continue
            clips.append(hearing_of(found, sound))
            places.append(found.audio)
        if len(clips) >= num_clips:
            break
    return clips, places, num_left_out


def _spread(part: AudioPart, num_wanted: int) -> Iterator[Any]:
    """About as many clips of a part as are wanted, from its beginning to its end."""
    step = max(1, part.num_clips // max(1, num_wanted))
    return islice(part.clips(), 0, None, step)
