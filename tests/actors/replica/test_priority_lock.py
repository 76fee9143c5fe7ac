"""Turns at a model: one at a time, streams first, and a listener who has gone waits for nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from support.waiting import HANG_S

from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.replica.priority_lock import PriorityLock


def test_a_stream_that_waits_goes_before_rows_that_waited_longer() -> None:
    turns, order, waiting = PriorityLock(), [], threading.Event()

    def rows() -> None:
        with turns.rows():
            order.append("rows")

    def stream() -> None:
        with turns.stream(StreamHandle()) as has_turn:
            assert has_turn
            order.append("stream")

    with ThreadPoolExecutor(8) as threads:
        with turns.rows():
            found = [threads.submit(rows) for _ in range(3)]
            while not all(future.running() for future in found):
                waiting.wait(0.01)
            found += [threads.submit(stream) for _ in range(3)]
            while turns._num_urgent < 3:
                waiting.wait(0.01)
        for future in found:
            future.result(HANG_S)
    assert order == ["stream"] * 3 + ["rows"] * 3


def test_only_one_has_the_turn() -> None:
    turns, inside, most = PriorityLock(), [], []

    def use(number: int) -> None:
        for _ in range(50):
            with turns.rows() if number % 2 else turns.stream(StreamHandle()):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(use, range(6)))
    assert max(most) == 1
    assert len(most) == 300


def test_a_listener_who_leaves_stops_waiting_and_lets_the_rows_in() -> None:
    turns, listener = PriorityLock(), StreamHandle()
    with ThreadPoolExecutor(2) as threads:
        with turns.rows():
            waits = threads.submit(lambda: turns.stream(listener).__enter__())
            while not turns._num_urgent:
                threading.Event().wait(0.01)
            listener.leave()
            assert waits.result(HANG_S) is False
        with turns.rows():
            assert turns._is_taken
    assert not turns._is_taken
    assert "queue" in listener.spent_s


def test_an_error_inside_gives_the_turn_up() -> None:
    turns = PriorityLock()
    for turn in (turns.rows, lambda: turns.stream(StreamHandle())):
        try:
            with turn():
                raise MemoryError
        except MemoryError:
            pass
        assert not turns._is_taken
