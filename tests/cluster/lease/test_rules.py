"""A lease has one holder at a time, whatever is late, and no holder for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.cluster.lease.process import Process
from speechmill.cluster.lease.record import LeaseRecord
from speechmill.cluster.lease.rules import RENEW, RETRY, TRUST, LeaseTerm, Verdict, Watch, judge

LEASE_S = 60.0
THERE = LeaseRecord("f00d", Process("there", 7, "their boot", 9), "1", 0.0, 0.0, LEASE_S, 0, beat_s=1000.0)
HERE = replace(THERE, process=Process("here", 7, "my boot", 9))

waits = st.sampled_from([0.0, 1.0, 20.0, 49.0, 56.0, 60.0, 66.0]) | st.floats(0, 3 * LEASE_S)
offsets = st.floats(-1e6, 1e6)


def verdict(holder: LeaseRecord | None, watch: Watch, now_s: float, *, is_gone: bool = False) -> Verdict:
    """As seen from "my boot"."""
    return judge(holder, watch, now_s, lease_s=LEASE_S, machine="my boot", is_gone=is_gone)


@settings(max_examples=min(500, 10 * settings.default.max_examples))
@given(
    renewals=st.lists(st.tuples(waits, waits, waits), max_size=8),
    looks=st.lists(waits, min_size=1, max_size=8),
    offset_s=offsets,
    rate=st.floats(0.92, 1.08),
)
def test_a_holder_stops_before_a_challenger_begins(
    renewals: list[tuple[float, float, float]], looks: list[float], offset_s: float, rate: float
) -> None:
    """Law: when a challenger finds the lease free, its holder no longer trusts it, however late its writes land.

    A renewal is the wait before it, how long it took to land, and how long its answer took after that. The
    challenger's clock shows another time than the holder's and runs faster or slower.
    """
    begun_s, landed_s, answered_s, time_s = [0.0], [0.0], [0.0], 0.0
    for wait_s, landing_s, answer_s in renewals:
        begun_s.append(time_s + wait_s)
        landed_s.append(begun_s[-1] + landing_s)
        time_s = landed_s[-1] + answer_s
        answered_s.append(time_s)
    watch, time_s = Watch("1", offset_s), 0.0
    for wait_s in looks:
        time_s += wait_s
        now_s = time_s * rate + offset_s
        watch = watch.seen(str(sum(landed <= time_s for landed in landed_s)), now_s)
        if verdict(THERE, watch, now_s) is Verdict.FREE:
            confirmed_s = max(begun for begun, answered in zip(begun_s, answered_s, strict=True) if answered <= time_s)
            assert not LeaseTerm(LEASE_S, confirmed_s).holds(time_s)


@given(looks=st.lists(waits, min_size=1, max_size=20), offset_s=offsets)
def test_a_holder_that_renews_keeps_it(looks: list[float], offset_s: float) -> None:
    """Law: from a challenger that looks often, and from one that looks rarely."""
    watch, time_s = None, 0.0
    for wait_s in looks:
        time_s += wait_s
        tag = str(time_s // (RENEW * LEASE_S))
        watch = watch.seen(tag, time_s + offset_s) if watch else Watch(tag, time_s + offset_s)
        assert verdict(THERE, watch, time_s + offset_s) is not Verdict.FREE


@pytest.mark.parametrize("holder", [THERE, None])
def test_a_lease_without_a_sign_of_life_is_free_in_the_end(holder: LeaseRecord | None) -> None:
    """Also one that cannot be read, and one that was renewed while we watched."""
    watch = Watch("a", 100.0)
    assert verdict(holder, watch, 100.0) is Verdict.UNKNOWN
    assert verdict(holder, watch.seen("a", 159.0), 159.0) is Verdict.UNKNOWN
    assert verdict(holder, watch.seen("a", 160.0), 160.0) is Verdict.FREE
    renewed = watch.seen("b", 159.0)
    assert verdict(holder, renewed, 200.0) is Verdict.ALIVE
    assert verdict(holder, renewed, 219.0) is Verdict.FREE


def test_the_holder_says_how_long_its_lease_is() -> None:
    """Not the challenger."""
    assert verdict(replace(THERE, lease_s=600.0), Watch("a", 0.0), 599.0) is Verdict.UNKNOWN


def test_on_one_machine_no_time_is_lost() -> None:
    """Its holder counts by the same clock, and that it has ended can be seen."""
    first_look = Watch("a", 1059.0)
    assert verdict(HERE, first_look, 1059.0) is Verdict.ALIVE
    assert verdict(HERE, first_look, 1060.0) is Verdict.FREE
    assert verdict(HERE, first_look, 1059.0, is_gone=True) is Verdict.FREE
    assert verdict(replace(THERE, is_released=True), first_look, 1059.0) is Verdict.FREE
    assert verdict(HERE, Watch("a", 999.0), 999.0) is Verdict.UNKNOWN, "a beat in the future is of another clock"


def test_machines_that_cannot_be_told_apart_are_not_the_same() -> None:
    """No boot id: then nothing is shared."""
    nameless = replace(THERE, process=replace(THERE.process, machine=""))
    watch = Watch("a", 2000.0)
    assert judge(nameless, watch, 2000.0, lease_s=LEASE_S, machine="", is_gone=False) is Verdict.UNKNOWN


@given(now_s=st.floats(-1e6, 1e6), failed_s=st.none() | st.floats(-1e6, 1e6))
def test_the_next_try_is_never_far(now_s: float, failed_s: float | None) -> None:
    """Law: a clock that jumps, either way, delays no renewal by more than a third of the lease."""
    assert 0 <= LeaseTerm(LEASE_S, 0.0, failed_s).pause_s(now_s) <= RENEW * LEASE_S


def test_tries_that_fail_are_repeated_sooner() -> None:
    """Several of them, before the lease is no longer trusted."""
    term = LeaseTerm(LEASE_S, 100.0)
    assert term.pause_s(100.0) == LEASE_S * RENEW
    failed = term.failed(120.0)
    assert failed.pause_s(121.0) == LEASE_S * RETRY - 1
    assert failed.holds(100.0 + TRUST * LEASE_S - 1)
    assert not failed.holds(100.0 + TRUST * LEASE_S)
    assert failed.confirmed(140.0) == LeaseTerm(LEASE_S, 140.0)
    assert not term.holds(99.0), "a clock that went back is no clock to trust"
