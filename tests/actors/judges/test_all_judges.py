"""The law of every judge: a clip's verdict is its own, alone, again, and in any batch; and planted faults are found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from support.planted_faults import FAULTS, planted
from torchaudio.functional import resample

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig
from speechmill.actors.judges.calibration import calibrate
from speechmill.actors.judges.registry import JUDGES, load_judge
from speechmill.errors import ModelError

KINDS = ("silence", "garbled_end")
CHEAP = ("duration", "signal")
"""They load no network."""


def at_rate(clip: Hearing, rate: int | None) -> Hearing:
    if rate is None:
        return clip
    samples = resample(torch.from_numpy(clip.samples), clip.sample_rate, rate).numpy()
    return replace(clip, samples=samples, sample_rate=rate)


def loaded(config: JudgeConfig) -> Judge:
    try:
        return load_judge(config)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "name", [name if name in CHEAP else pytest.param(name, marks=pytest.mark.slow) for name in sorted(JUDGES)]
)
def test_a_verdict_is_the_same_alone_and_in_any_batch(name: str, few_spoken: Sequence[Hearing]) -> None:
    """Law, to the bit: scores, reasons and what was heard."""
    judge = loaded(JudgeConfig(name))
    sample = [at_rate(clip, judge.info.sample_rate) for clip in few_spoken] if name in ("duration", "speaker") else []
    judge = loaded(JudgeConfig(name, calibration=type(judge).learn(JudgeConfig(name), sample)))
    # Whisper takes as long for every clip. What is garbled is heard twice by `transcript`.
    few = sorted(few_spoken, key=lambda clip: len(clip.samples))[: 2 if name in ("forced", "transcript") else 3]
    kinds = KINDS if name != "transcript" else KINDS[:1]
    clips = [*few, *(planted(kind, few, 1) for kind in kinds)]
    clips = [at_rate(clip, judge.info.sample_rate) for clip in clips]
    alone = [judge.judge([clip])[0] for clip in clips]
    order = list(range(len(clips)))
    random.Random(4).shuffle(order)
    size = 3 if judge.info.is_batch_invariant else 1
    for at in range(0, len(order), size):
        batch = order[at : at + size]
        for place, verdict in zip(batch, judge.judge([clips[place] for place in batch]), strict=True):
            assert verdict == alone[place]


@pytest.mark.slow
def test_the_cheap_judges_find_most_kinds_of_faults_when_they_are_calibrated(spoken: Sequence[Hearing]) -> None:
    """The experiment of `benchmarks/quality.py`, small: a few of each kind, thresholds from thirty clips."""
    # Thirty clips are few: each counts four times, so that thresholds are theirs.
    sample = [replace(clip, id=f"{clip.id}-{copy}") for clip in spoken for copy in range(4)]
    judges = [
        load_judge(JudgeConfig(name, calibration=calibrate(JudgeConfig(name), sample, 0.03).body))
        for name in ("signal", "duration")
    ]
    caught: Counter[str] = Counter()
    for kind in FAULTS:
        clips = [planted(kind, spoken, at) for at in range(3)]
        rejected = [any(v.reasons for v in pair) for pair in zip(*(j.judge(clips) for j in judges), strict=True)]
        caught[kind] = sum(rejected)
    seen = {
        "cut_fifth",
        "half_spoken",
        "babble_tail",
        "noise_tail",
        "pause",
        "silence",
        "hiss",
        "white_noise",
        "clipped",
    }
    assert {kind for kind, count in caught.items() if count == 3} >= seen | {"hurried", "babble_noise"}
    assert caught["repeated"] >= 2


def test_every_fault_is_made_the_same_twice_and_is_no_copy(few_spoken: Sequence[Hearing]) -> None:
    assert len(FAULTS) == 18
    for kind in FAULTS:
        one, again = planted(kind, few_spoken, 0), planted(kind, few_spoken, 0)
        assert one.samples.tobytes() == again.samples.tobytes()
        assert one.samples.tobytes() != few_spoken[0].samples.tobytes()
