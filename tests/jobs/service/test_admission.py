"""The laws of the queue: bounds, order, no place empty while somebody waits, and none that is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speechmill.errors import SpecError
from speechmill.jobs.service.admission import Admission, AdmissionGate, AdmissionLimits, AdmissionState
from speechmill.jobs.service.http_problem import HttpProblem
from speechmill.jobs.service.metrics import Metrics


class Queue(RuleBasedStateMachine):
    """Admission beside a plain list: its first `max_streams` speak, the others wait."""

    @initialize(streams=st.integers(1, 3), waiting=st.integers(0, 3))
    def begin(self, streams: int, waiting: int) -> None:
        self.limits = AdmissionLimits(max_streams=streams, max_waiting=waiting)
        self.admission = Admission(self.limits)
        self.line: list[int] = []
        self.now_s = 0.0
        self.num_tickets = 0

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def ask(self) -> None:
        self.num_tickets += 1
        place = self.admission.ask(self.num_tickets, self.now_s)
        streams, waiting = self.limits.max_streams, self.limits.max_waiting
        if len(self.line) < streams:
            assert place is AdmissionState.SPEAKING
        elif len(self.line) < streams + waiting:
            assert place is AdmissionState.WAITING
        else:
            assert place is AdmissionState.REFUSED
            return
        self.line.append(self.num_tickets)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.line) - 1))
        streams = self.limits.max_streams
        following = self.line[streams] if index < streams < len(self.line) else None
        ticket = self.line.pop(index)
        assert self.admission.leave(ticket, self.now_s) == following
        assert self.admission.leave(ticket, self.now_s) is None

    @invariant()
    def holds(self) -> None:
        speaking = min(len(self.line), self.limits.max_streams)
        assert (self.admission.num_speaking, self.admission.num_waiting) == (speaking, len(self.line) - speaking)
        assert 0 <= self.admission.retry_s(self.now_s) <= 600


TestQueue = Queue.TestCase


@given(st.integers(1, 8), st.integers(0, 8), st.floats(0.1, 60))
def test_who_comes_again_has_a_place_if_all_take_as_long(streams: int, waiting: int, took_s: float) -> None:
    """All began one after the other, evenly; then places are free at the same even pace."""
    admission = Admission(AdmissionLimits(max_streams=streams, max_waiting=waiting))
    for ticket in range(streams):
        admission.ask(ticket, 0.0)
    for ticket in range(streams, streams + waiting):
        admission.ask(ticket, 0.0)
    for ticket in range(streams):
        admission.leave(ticket, took_s)
    left = admission.num_waiting
    assert admission.retry_s(took_s) == pytest.approx(min(600, took_s * (left + 1) / streams))


def test_without_a_past_those_that_speak_are_what_is_known() -> None:
    admission = Admission(AdmissionLimits(max_streams=1, max_waiting=0))
    assert admission.retry_s(5.0) == 0
    admission.ask(1, 0.0)
    assert admission.retry_s(5.0) == 5.0


@pytest.mark.parametrize("name", ["max_streams", "max_chars", "total_s", "idle_write_s"])
def test_limits_have_to_leave_something(name: str) -> None:
    with pytest.raises(SpecError, match=name):
        AdmissionLimits(**{name: 0})
    with pytest.raises(SpecError, match=name):
        AdmissionLimits(**{name: float("nan")})


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Visitors:
    """Tasks that go through a door; each speaks until it is told to stop."""

    def __init__(self, admission_gate: AdmissionGate) -> None:
        self.admission_gate = admission_gate
        self.inside: list[int] = []
        self.order: list[int] = []

    async def request_log(self, number: int, work: Callable[[], Awaitable[object]]) -> None:
        async with self.admission_gate.place():
            self.inside.append(number)
            self.order.append(number)
            try:
                await work()
            finally:
                self.inside.remove(number)


@pytest.mark.parametrize("seed", range(20))
def test_no_place_is_lost_whoever_is_cancelled_and_whenever(seed: int) -> None:
    async def run() -> None:
        chance = random.Random(seed)
        admission_gate = AdmissionGate(AdmissionLimits(max_streams=3, max_waiting=5, max_wait_s=0.01), Metrics())
        visitors = Visitors(admission_gate)

        async def work() -> None:
            assert len(visitors.inside) <= 3
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(chance.choice((0, 0, 0.002)))
            if chance.random() < 0.2:
                raise ValueError("a bug")

        tasks: list[asyncio.Task[None]] = []
        for number in range(60):
            tasks.append(asyncio.create_task(visitors.request_log(number, work)))
            await asyncio.sleep(0 if chance.random() < 0.8 else 0.003)
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Every place is there again: three at once have one, and the next one waits.
        stay = asyncio.Event()
        last = [asyncio.create_task(visitors.request_log(number, stay.wait)) for number in range(100, 104)]
        await settle()
        assert visitors.inside == [100, 101, 102]
        stay.set()
        ends = await asyncio.gather(*last, return_exceptions=True)
        assert ends[:3] == [None] * 3
        # On a busy machine the fourth may have waited for too long.
        assert ends[3] is None or isinstance(ends[3], HttpProblem)

    asyncio.run(run())


def test_first_come_first_served_and_the_queue_has_an_end() -> None:
    async def run() -> None:
        visitors = Visitors(AdmissionGate(AdmissionLimits(max_streams=1, max_waiting=3), Metrics()))
        stay = asyncio.Event()
        tasks = [asyncio.create_task(visitors.request_log(number, stay.wait)) for number in range(4)]
        await settle()
        with pytest.raises(HttpProblem) as caught:
            await visitors.request_log(4, stay.wait)
        assert caught.value.status == 429
        assert int(caught.value.headers["Retry-After"]) >= 1
        stay.set()
        await asyncio.gather(*tasks)
        assert visitors.order == [0, 1, 2, 3]

    asyncio.run(run())


def test_waiting_has_an_end() -> None:
    async def run() -> None:
        visitors = Visitors(AdmissionGate(AdmissionLimits(max_streams=1, max_waiting=3, max_wait_s=0.01), Metrics()))
        stay = asyncio.Event()
        first = asyncio.create_task(visitors.request_log(0, stay.wait))
        await settle()
        with pytest.raises(HttpProblem, match=r"no turn came within 0\.01 s"):
            await visitors.request_log(1, stay.wait)
        stay.set()
        await first

    asyncio.run(run())


def test_drained_when_the_last_one_has_left() -> None:
    async def run() -> None:
        admission_gate = AdmissionGate(AdmissionLimits(), Metrics())
        with admission_gate.inside():
            admission_gate.drain()
            waiting = asyncio.create_task(admission_gate.drained())
            await settle()
            assert not waiting.done()
            with pytest.raises(HttpProblem) as caught:
                admission_gate.check_open()
            assert (caught.value.status, caught.value.headers["Connection"]) == (503, "close")
        await waiting

    asyncio.run(run())
