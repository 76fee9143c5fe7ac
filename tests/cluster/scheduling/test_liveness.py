"""When a replica is given up: silent, or standing still while others get on; never because the driver was away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.replica.receipt import ReplicaProgress
from speechmill.cluster.scheduling.liveness import GIVEN_UP, LOOKED_S, Liveness, Timeouts

LIMITS = Timeouts()


def looked(liveness: Liveness, times: int, elapsed_s: float = 1.0) -> Liveness:
    for _ in range(times):
        liveness.record_time(elapsed_s, is_asked=True, has_work=True)
    return liveness


def alive() -> Liveness:
    liveness = Liveness(0.0)
    assert not liveness.record_progress(ReplicaProgress())
    return liveness


def test_silence_after_an_answer_is_a_freeze() -> None:
    assert not looked(alive(), 60).is_frozen(LIMITS, is_ready=True)
    assert looked(alive(), 61).is_frozen(LIMITS, is_ready=True)


def test_one_that_never_answered_may_wait_for_resources_for_ever() -> None:
    assert not looked(Liveness(0.0), 100_000).is_frozen(LIMITS, is_ready=False)


def test_a_model_that_loads_is_given_ten_times_as_long() -> None:
    assert not looked(alive(), 600).is_frozen(LIMITS, is_ready=False)
    assert looked(alive(), 601).is_frozen(LIMITS, is_ready=False)


@given(st.floats(0.0, 1e6))
def test_a_driver_that_was_away_takes_nobody_for_dead(away_s: float) -> None:
    liveness = alive()
    liveness.record_time(away_s, is_asked=True, has_work=True)
    assert liveness.silent_s <= LOOKED_S
    assert not liveness.is_frozen(LIMITS, is_ready=True)


@given(st.lists(st.booleans(), max_size=300))
def test_an_answer_in_time_is_enough(answers: list[bool]) -> None:
    liveness, since = alive(), 0
    for is_answered in answers:
        since = 0 if is_answered else since + 1
        if is_answered:
            liveness.record_progress(ReplicaProgress())
        else:
            looked(liveness, 1)
        assert liveness.is_frozen(LIMITS, is_ready=True) == (since > LIMITS.frozen_s)


def test_standing_still_is_measured_by_what_the_task_should_take() -> None:
    assert looked(alive(), 121).is_still(LIMITS, expected_s=1.0)
    assert not looked(alive(), 121).is_still(LIMITS, expected_s=60.0)
    assert looked(alive(), 601).is_still(LIMITS, expected_s=60.0)
    moving = looked(alive(), 121)
    assert moving.record_progress(ReplicaProgress(rows=1))
    assert not moving.is_still(LIMITS, expected_s=1.0)


def test_only_one_that_stands_still_while_others_get_on_is_given_up() -> None:
    """A store that is away stops everybody: then nobody's rows are to blame."""
    still = looked(alive(), int(GIVEN_UP * LIMITS.overdue_s) + 1)
    assert still.is_stuck(LIMITS, 1.0, others_still_s=2.0)
    assert not still.is_stuck(LIMITS, 1.0, others_still_s=200.0)
    assert not still.is_stuck(LIMITS, 1.0, others_still_s=float("inf"))
