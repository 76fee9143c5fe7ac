"""Thresholds from a sample: all checks together keep within the share of clips that they may reject."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.judges.base import JudgeConfig, Limit
from speechmill.actors.judges.calibration import calibrate, thresholds

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
