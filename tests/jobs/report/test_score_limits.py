"""Thresholds of a job's judges on the page: which rows are the worst, and what is drawn."""

from __future__ import annotations

from speechmill.jobs.report.picks import Picks
from speechmill.jobs.report.score_limits import KEY, ScoreLimit, score_limits

from .test_picks import spoken

JUDGES = [
    {
        "name": "signal",
        "scores": "signal",
        "thresholds": {"active_s": 0.1, "gap_s": 1.2},
        "rejects_below": ["active_s"],
    },
    {"name": "own:Ear", "scores": "ear", "thresholds": {"cer": 0.3}, "rejects_below": []},
]


def test_limits_are_those_of_the_identity() -> None:
    assert score_limits({KEY: JUDGES}) == {
        "signal.active_s": ScoreLimit(0.1, is_lower=True),
        "signal.gap_s": ScoreLimit(1.2),
        "ear.cer": ScoreLimit(0.3),
    }
    for other in ({}, {KEY: None}, {KEY: [None, 3, {"scores": "x"}, {"thresholds": {"a": "b"}}]}):
        assert score_limits(other) == {}


def test_the_worst_end_of_a_score_is_where_its_judge_rejects() -> None:
    picks = Picks(0, score_limits({KEY: JUDGES}))
    for row in range(30):
        scores = {"signal.active_s": float(row), "signal.gap_s": float(row), "signal.other": 1.0}
        picks.add(spoken(row, scores=scores), is_drawn=False)
    assert picks.worst_by == {"signal.active_s": "lowest", "signal.gap_s": "highest"}
    groups = {pick.record.row: pick.groups for pick in picks.picks()}
    assert "worst signal.active_s" in groups[0]
    assert "worst signal.gap_s" in groups[29]
