"""Rows that fail: their own fault while the model speaks on, the model's where it does not."""

from __future__ import annotations

import pytest

from speechmill.actors.records.utterance import Prepared, Segment
from speechmill.actors.replica.model_health import ModelHealth
from speechmill.errors import RowRejected

FIRST, SECOND = (Segment(row, 0, "a", Prepared((1,), 1), 0, "", 1.0) for row in range(2))
BROKEN = RuntimeError("the device is gone")


def no_repeat(segment: Segment) -> None:
    raise AssertionError(f"segment {segment.row} is spoken again for no reason")


def test_an_error_of_a_row_is_its_reason_and_nothing_is_tried() -> None:
    health = ModelHealth()
    assert health.reason(RowRejected("no words")) == "no words"
    assert health.reason(RowRejected()) == "RowRejected"
    health.check(no_repeat)


def test_what_was_spoken_last_is_tried_after_an_unexpected_error() -> None:
    """The row has failed, and the model is well."""
    health, tried = ModelHealth(), list[Segment]()
    health.spoke(FIRST)
    health.spoke(SECOND)
    assert health.reason(BROKEN) == "RuntimeError: the device is gone"
    health.check(tried.append)
    assert tried == [SECOND]


def test_a_model_that_speaks_on_is_not_tried() -> None:
    health = ModelHealth()
    health.suspect(BROKEN)
    health.spoke(FIRST)
    health.check(no_repeat)


def test_a_model_that_speaks_nothing_any_more_is_at_fault() -> None:
    """The first error is raised, whatever the trial ends with; without anything to try, at once."""

    def fails(segment: Segment) -> None:
        raise RowRejected("another one")

    health = ModelHealth()
    health.spoke(FIRST)
    health.suspect(BROKEN)
    with pytest.raises(RuntimeError, match="the device is gone") as raised:
        health.check(fails)
    assert isinstance(raised.value.__cause__, RowRejected)
    health = ModelHealth()
    health.suspect(BROKEN)
    with pytest.raises(RuntimeError, match="the device is gone"):
        health.check(no_repeat)
