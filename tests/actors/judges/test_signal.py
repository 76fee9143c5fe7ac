"""The judge of samples: what it rejects, what it lets pass, and that silences which were asked for are no fault."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.heard import hearing, murmur

from speechmill.actors.judges.base import Hearing, JudgeConfig
from speechmill.actors.judges.registry import describe_judge, load_judge
from speechmill.errors import ModelError

RATE = 24_000


def reasons(samples: np.ndarray, options: dict[str, object] | None = None, **more: object) -> tuple[str, ...]:
    return load_judge(JudgeConfig("signal", options=options or {})).judge([hearing(samples, **more)])[0].reasons


def still(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.mark.parametrize("name", ["few_spoken", pytest.param("spoken", marks=pytest.mark.slow)])
def test_what_sounds_as_speech_does_passes(name: str, request: pytest.FixtureRequest) -> None:
    assert reasons(murmur(3)) == ()
    clips: Sequence[Hearing] = request.getfixturevalue(name)
    assert {verdict.name for verdict in load_judge(JudgeConfig("signal")).judge(clips)} == {"passed"}


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (still(2), "sound 0 s < 0.1 s"),
        (np.zeros(0, np.float32), "sound 0 s < 0.1 s"),
        (murmur(2) / 300, "level -"),
        (np.concatenate([murmur(1), still(1.5), murmur(1)]), "gap 1.5"),
        (np.concatenate([still(0.7), murmur(1)]), "silence at the start 0.7 s > 0.6 s"),
        (np.concatenate([murmur(1), still(0.9)]), "silence at the end 0.9"),
        (np.clip(murmur(2) * 20, -1, 1), "share of clipped samples 0."),
        (murmur(2) + 0.1, "offset 0.0999"),
        (np.concatenate([murmur(1), 0.2 * np.sin(np.arange(2 * RATE) / 40)]), "drone 1.98 s > 1.5 s"),
        (np.random.default_rng(0).normal(0, 0.1, 2 * RATE), "share of zero crossings 0.5"),
    ],
)
def test_what_is_wrong_is_rejected_with_its_reason(samples: np.ndarray, reason: str) -> None:
    assert any(found.startswith(reason) for found in reasons(samples)), reasons(samples)


def test_a_silence_that_the_text_asks_for_is_no_fault() -> None:
    gap = np.concatenate([murmur(1), still(2.5), murmur(1)])
    assert reasons(gap, pauses_s=(0.5, 2.0)) == ()
    assert reasons(gap, pauses_s=(0.5,)) != ()


def test_an_option_moves_a_limit_and_null_takes_it_away() -> None:
    gap = np.concatenate([murmur(1), still(1.5), murmur(1)])
    assert reasons(gap, {"gap_s": 2}) == ()
    assert reasons(gap, {"gap_s": None}) == ()
    assert reasons(gap, {"gap_s": 0.5})[0].endswith("> 0.5 s")


def test_noise_is_judged_where_its_limit_is_known() -> None:
    clean = np.concatenate([murmur(1), still(0.3), murmur(1)])
    noisy = clean + np.random.default_rng(1).normal(0, 0.01, len(clean))
    assert reasons(noisy) == ()
    assert any(found.startswith("noise") for found in reasons(noisy, {"floor_db": -40}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (JudgeConfig("signal", options={"gap": 1}), r'quality.options.signal.gap is not an option.*"gap_s"'),
        (JudgeConfig("signal", options={"gap_s": "1"}), r"quality.options.signal.gap_s is '1'"),
        (JudgeConfig("signal", options={"gap_s": True}), r"quality.options.signal.gap_s is True"),
        (JudgeConfig("signal", "cuda"), "runs on cpu"),
        (JudgeConfig("signal", calibration={"thresholds": {"gap_s": "x"}}), "quality.calibration: signal.thresholds"),
        (JudgeConfig("signal", calibration={"thresholds": 3}), "no mapping"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_heard(config: JudgeConfig, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        describe_judge(config)


def test_the_revision_tells_thresholds_apart() -> None:
    plain, other = describe_judge(JudgeConfig("signal")), describe_judge(JudgeConfig("signal", options={"gap_s": 2}))
    assert plain.revision != other.revision
    assert plain.revision == describe_judge(JudgeConfig("signal")).revision
    assert plain.thresholds["gap_s"] == 1.2
    assert set(plain.rejects_below) == {"active_s", "level_db"}
