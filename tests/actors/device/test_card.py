"""What work takes of a device: the union of times, and the profiler's times of real work."""

from __future__ import annotations

import time

import torch
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.device.card import covered, time_of

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda span: (span[0], sum(span))), max_size=12)


@given(spans)
def test_the_union_of_spans_is_covered(found: list[tuple[int, int]]) -> None:
    assert covered(found) == len({moment for start, end in found for moment in range(start, end)})


def test_waiting_is_no_work_of_the_device() -> None:
    """The same code that asks for CUDA's times, here for those of operators on the CPU."""
    number, calls = torch.ones(64, 64), list[int]()

    def work() -> None:
        calls.append(1)
        for _ in range(4):
            number @ number
        time.sleep(0.05)

    found = time_of(work, "cpu")
    assert found is not None
    seconds, device_s = found
    assert len(calls) == 5
    assert 0 < device_s < seconds
    assert seconds - device_s >= 0.01, "it slept; a busy machine may have interrupted an operator"


def test_nothing_is_known_of_a_device_that_did_nothing() -> None:
    assert time_of(lambda: None, "cpu") is None
