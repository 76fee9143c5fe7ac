"""Thresholds from a sample: all checks together keep within the share of clips that they may reject."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.judges.base import JudgeConfig, Limit
from speechmill.actors.judges.calibration import calibrate, ordinary, thresholds

HIGH, LOW = Limit("high", "high", 1.0), Limit("low", "low", None, is_lowest=True)


@given(st.integers(0, 2**32), st.integers(100, 400), st.floats(0.002, 0.2))
def test_all_limits_together_reject_no_more_than_their_share(seed: int, num: int, share: float) -> None:
    chance = random.Random(seed)
    scores = [{"high": chance.gauss(0, 1), "low": chance.gauss(5, 2)} for _ in range(num)]
    found = thresholds([HIGH, LOW], scores, share)
    rejected = [own for own in scores if own["high"] > found["high"] or own["low"] < found["low"]]
    assert len(rejected) <= share * num


def test_they_are_as_tight_as_that_allows() -> None:
    scores = [{"high": value / 100, "low": 0.0} for value in range(1_000)]
    found = thresholds([HIGH], scores, 0.01)
    assert 9.89 < found["high"] < 9.99 + 0.25


def test_too_few_scores_leave_the_default_and_no_limit_is_stricter_than_it_may_be() -> None:
    assert thresholds([HIGH], [{"high": 0.1}] * 99, 0.01) == {}
    assert thresholds([Limit("high", "high", 1.0, strictest=0.4)], [{"high": 0.1}] * 200, 0.01) == {"high": 0.4}
    assert thresholds([Limit("low", "low", 1.0, is_lowest=True, strictest=0.4)], [{"low": 9.0}] * 200, 0.01) == {
        "low": 0.4
    }


def test_a_share_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrate(JudgeConfig("signal"), [], 1.0)


def test_a_few_bad_clips_in_the_sample_do_not_move_its_thresholds() -> None:
    """Of a corpus with three bad clips in a hundred, thresholds lay beyond the bad ones, and half of them passed."""
    limit = Limit("gap_s", "gap", None)
    chance = random.Random(5)
    good = [{"gap_s": chance.gauss(0.4, 0.05)} for _ in range(485)]
    bad = [{"gap_s": chance.uniform(1.0, 2.0)} for _ in range(15)]
    mixed = chance.sample(good + bad, 500)
    assert sorted(own["gap_s"] for own in ordinary([limit], mixed)) == sorted(own["gap_s"] for own in good)
    assert thresholds([limit], ordinary([limit], mixed), 0.002)["gap_s"] < 0.7
    assert thresholds([limit], mixed, 0.002)["gap_s"] > 1.5


@pytest.mark.parametrize("sign", [1, -1])
def test_a_tail_in_steps_is_ordinary_and_what_lies_behind_a_gap_is_not(sign: int) -> None:
    """Story: silences of 0.58 s, of which a corpus had eight, were learned as bad: they come in steps of 20 ms."""
    limit = Limit("trail_s", "trail", None, is_lowest=sign < 0)
    steps = {0.5: 900, 0.52: 40, 0.54: 12, 0.56: 8, 0.58: 8}
    good = [{"trail_s": sign * silence_s} for silence_s, count in steps.items() for _ in range(count)]
    bad = [{"trail_s": sign * (0.64 + 0.02 * number)} for number in range(20)]
    assert ordinary([limit], good + bad) == good
    touching = [{"trail_s": sign * (0.6 + 0.015 * number)} for number in range(20)]
    assert ordinary([limit], good + touching) == good + touching[:2], "not beyond twice as far"


def test_scores_that_are_alike_are_all_ordinary() -> None:
    limit, scores = Limit("clipped", "clipped", 0.001), [{"clipped": 0.0}] * 490 + [{"clipped": 0.1}] * 10
    assert ordinary([limit], scores) == scores
    assert ordinary([limit], scores[:50]) == scores[:50]
