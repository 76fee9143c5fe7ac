"""Time that several share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.replica.shared_clock import SharedClock


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_shares_add_up_to_the_time_in_which_anybody_worked(events: list[tuple[int, int]]) -> None:
    now = 0.0
    meter = SharedClock(lambda: now)
    working: dict[int, tuple[object, float]] = {}
    shares = total = 0.0
    for who, seconds in [*events, *((who, 0) for who in range(4))]:
        is_last = seconds == 0 and who not in working
        if who in working:
            context, began = working.pop(who)
            shares += meter.seconds() - began
            context.__exit__(None, None, None)  # type: ignore[attr-defined]
        elif not is_last:
            context = meter.working()
            context.__enter__()
            working[who] = (context, meter.seconds())
        now += seconds
        total += seconds if working else 0
    for _, began in working.values():
        shares += meter.seconds() - began
    assert shares == pytest.approx(total)


def test_one_alone_has_all_the_time() -> None:
    now = 5.0
    meter = SharedClock(lambda: now)
    now = 7.0
    with meter.working():
        began = meter.seconds()
        now = 10.0
        assert meter.seconds() - began == 3.0
