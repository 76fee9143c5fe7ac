"""Laws of planning ahead: every window once and in order, a bounded number of them, errors after what came before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import HANG_S, eventually

from speechmill.errors import CorpusError
from speechmill.jobs.planning.planning_thread import MAX_READY, PlanningThread


def taken(planning: PlanningThread[int]) -> list[int]:
    found: list[int] = []
    while not planning.is_done:
        window = planning.take(HANG_S)
        if window is not None:
            found.append(window)
    return found


@given(st.integers(0, 20))
def test_windows_come_in_order_each_once(num_windows: int) -> None:
    planning = PlanningThread(iter(range(num_windows)))
    assert taken(planning) == list(range(num_windows))
    assert planning.take() is None


def test_a_window_that_is_not_planned_yet_keeps_nobody_waiting() -> None:
    """`take` returns while the thread is at it; the driver goes on with its replicas."""
    may_go_on = threading.Event()

    def slow() -> Iterator[int]:
        assert may_go_on.wait(HANG_S)
        yield 7

    planning = PlanningThread(slow())
    assert planning.take() is None
    assert not planning.is_done
    may_go_on.set()
    assert taken(planning) == [7]


def test_no_more_is_planned_than_is_wanted() -> None:
    begun: list[int] = []

    def windows() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    planning = PlanningThread(windows())
    eventually(lambda: len(begun) == MAX_READY + 1)
    assert planning.take(HANG_S) == 0
    eventually(lambda: len(begun) == MAX_READY + 2)
    planning.stop()
    eventually(lambda: not planning._thread.is_alive())
    assert len(begun) == MAX_READY + 2


@pytest.mark.parametrize("num_before", [0, 1, 5])
def test_what_planning_raises_comes_after_the_windows_before_it(num_before: int) -> None:
    def windows() -> Iterator[int]:
        yield from range(num_before)
        raise CorpusError("row 17 cannot be read")

    planning = PlanningThread(windows())
    assert [planning.take(HANG_S) for _ in range(num_before)] == list(range(num_before))
    for _ in range(2):
        with pytest.raises(CorpusError, match="row 17"):
            planning.take(HANG_S)
    assert not planning.is_done, "it has not come to its end"


def test_stopping_ends_what_the_iterator_holds() -> None:
    closed = threading.Event()

    def windows() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    PlanningThread(windows()).stop()
    assert closed.wait(HANG_S)
