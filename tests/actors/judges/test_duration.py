"""The judge of durations: by letters where a voice is not known, by a fit of tokens where it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heard import hearing
from support.made_sentences import sentences

from speechmill.actors.judges.base import Hearing, JudgeConfig, Verdict
from speechmill.actors.judges.calibration import calibrate
from speechmill.actors.judges.pace import Pace, TextCounts
from speechmill.actors.judges.registry import describe_judge, load_judge
from speechmill.errors import ModelError

TRUE = Pace(True, 0.3, 0.06, -0.02, 0.1, 0.2, 0.005)
TEXT = "The kettle is on, and the door is open again."


def clip(text: str, seconds: float, **more: object) -> Hearing:
    return hearing(np.zeros(round(seconds * 1_000)), text, 1_000, **more)


def sample(num: int = 300, voice: str = "ada", speeds: Sequence[float] = (1.0,), noise: float = 0.03) -> list[Hearing]:
    """Clips at the true pace, with noise; one in fifty is far off."""
    chance = random.Random(3)
    made: list[Hearing] = []
    for at, text in enumerate(sentences(num, seed=9)):
        tokens = sum(map(str.isalpha, text)) + chance.randrange(6)
        empty = clip(text, 0, voice=voice, speed=speeds[at % len(speeds)], num_tokens=tokens)
        off = 2.0 if at % 50 == 49 else chance.gauss(0, noise)
        made.append(replace(empty, samples=np.zeros(round(1_000 * TRUE.expected_s(empty) * 2.718**off), np.float32)))
    return made


def verdict(found: Hearing, config: JudgeConfig) -> Verdict:
    return load_judge(config).judge([found])[0]


def test_without_a_fit_a_factor_of_two_is_seen() -> None:
    plain = JudgeConfig("duration")
    seconds = Pace.usual("en").expected_s(clip(TEXT, 1))
    assert verdict(clip(TEXT, seconds * 1.5), plain).name == "passed"
    assert verdict(clip(TEXT, seconds * 2.2), plain).reasons[0].startswith("longer than expected, log ratio 0.7")
    assert verdict(clip(TEXT, seconds / 2.2), plain).reasons[0].startswith("shorter than expected")
    assert verdict(clip("…", 1), plain).name == "unheard"


@pytest.mark.parametrize("speeds", [(1.0,), (1.0, 1.4)])
def test_a_fit_finds_the_pace_of_a_voice_though_some_clips_are_bad(speeds: Sequence[float]) -> None:
    clips = sample(speeds=speeds)
    fitted = Pace.of(clips)
    for at in range(40):
        assert fitted.expected_s(clips[at]) == pytest.approx(TRUE.expected_s(clips[at]), rel=0.03)


def test_a_calibrated_judge_sees_a_clip_that_is_cut_and_lets_others_pass() -> None:
    clips = sample()
    learned = JudgeConfig("duration", calibration=calibrate(JudgeConfig("duration"), clips, 0.03).body)
    again = sample(noise=0.02)
    rejected = [found for found in load_judge(learned).judge(again) if found.reasons]
    num_bad = len(again) // 50
    assert num_bad <= len(rejected) <= num_bad + 0.03 * len(again)
    whole = clips[0]
    cut = replace(whole, samples=whole.samples[: int(0.75 * len(whole.samples))])
    assert verdict(cut, learned).reasons
    assert not verdict(replace(cut, samples=whole.samples, pauses_s=()), learned).reasons
    longer = replace(whole, samples=np.zeros(len(whole.samples) + 2_000, np.float32))
    assert verdict(longer, learned).reasons
    assert not verdict(replace(longer, pauses_s=(1.5, 0.5)), learned).reasons, "the text asks for these silences"


def test_a_voice_that_was_not_calibrated_is_judged_loosely() -> None:
    learned = JudgeConfig("duration", calibration=calibrate(JudgeConfig("duration"), sample(), 0.01).body)
    seconds = Pace.usual("en").expected_s(clip(TEXT, 1))
    assert not verdict(clip(TEXT, 1.4 * seconds, voice="ben"), learned).reasons
    assert verdict(clip(TEXT, 2.2 * seconds, voice="ben"), learned).reasons
    no_tokens = clip(TEXT, 1.4 * seconds, voice="ada")
    assert not verdict(no_tokens, learned).reasons, "its fit is of tokens, which this clip has not"


def test_a_short_clip_may_be_off_by_a_constant() -> None:
    learned = JudgeConfig("duration", calibration={"voices": {"ada": TRUE.body}, "thresholds": {"longer": 0.05}})
    short = clip("Yes.", 0, voice="ada", num_tokens=3)
    seconds = TRUE.expected_s(short)
    for more, is_rejected in ((0.09, False), (0.2, True)):
        made = replace(short, samples=np.zeros(round((seconds + more) * 1_000), np.float32))
        assert bool(verdict(made, learned).reasons) is is_rejected


@given(st.text(max_size=40), st.floats(0.25, 4), st.integers(0, 500), st.floats(0, 30))
def test_every_clip_gets_a_verdict(text: str, speed: float, tokens: int, seconds: float) -> None:
    """Law: no text, speed or length makes the judge fail, and what it scores are numbers."""
    config = JudgeConfig("duration", calibration={"voices": {"ada": TRUE.body}})
    found = verdict(clip(text, seconds, voice="ada", speed=speed, num_tokens=tokens), config)
    assert all(np.isfinite(value) for value in found.scores.values())


def test_marks_at_the_end_take_no_time() -> None:
    one, other = (TextCounts.of(clip(text, 1), has_tokens=False) for text in ("Yes, we do", "Yes, we do!"))
    assert one == other


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ({"voices": 3}, "maps voices to fits"),
        ({"voices": {"ada": {"slope": 1}}}, "duration.voices.ada"),
        ({"voices": {"ada": {"base": "x"}}}, r"duration.voices.ada.base is 'x'"),
    ],
)
def test_a_calibration_that_is_none_is_refused(calibration: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe_judge(JudgeConfig("duration", calibration=calibration))


def test_a_slack_below_zero_is_refused() -> None:
    with pytest.raises(ModelError, match="slack_s"):
        describe_judge(JudgeConfig("duration", options={"slack_s": -0.1}))
