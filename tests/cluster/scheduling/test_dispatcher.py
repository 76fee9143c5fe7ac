"""The dispatch in virtual time, as laws: rows conserved through deaths, one copy at most, replicas end together."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import send

from speechmill.actors.batcher.stats import NO_BATCHES
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.actors.replica.receipt import Receipt
from speechmill.cluster.scheduling.attempts import Attempt, ReplicaQueue
from speechmill.cluster.scheduling.dispatcher import TASKS_IN_FLIGHT, CompletedShard, Dispatcher
from speechmill.cluster.sharding.sharding import CostModel, ShardLimits, shard_window

COST = CostModel(base_s=0.0, char_s=0.001, audio_char_s=0.06)
JOIN_S = 5.0
TICK_S = 2.0


@dataclass
class Actor:
    """A replica in virtual time: speaks what it holds one after the other, `speed` estimated seconds a second."""

    number: int
    speed: float
    queue: ReplicaQueue
    begun: str = ""
    ends_s: float = 0.0
    row_ends_s: dict[int, float] = field(default_factory=dict)
    is_dead: bool = False


@dataclass
class World:
    """A run in virtual time.

    Attributes:
        noise: Standard deviation of what a row takes, as a share of it
        poison: Rows that kill whoever speaks them
        is_seen: Replicas report how far they are
    """

    speeds: Sequence[float]
    noise: float = 0.0
    poison_row: frozenset[int] = frozenset()
    seed: int = 0
    is_seen: bool = True
    now_s: float = 0.0
    actors: dict[int, Actor] = field(default_factory=dict)
    done: list[CompletedShard] = field(default_factory=list)
    useful_until_s: dict[int, float] = field(default_factory=dict)
    deaths: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        parts = itertools.count()
        self.dispatch = Dispatcher(lambda shard: f"{shard.id}-{next(parts)}")
        self.numbers = itertools.count()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.sent: dict[str, Attempt] = {}
        self.counted: list[str] = []
        self.orphaned_parts: list[str] = []
        self.answered: set[str] = set()
        self.num_handed_back = self.num_begun = 0

    def at(self, delay_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now_s + delay_s, next(self.order), event))

    def join(self, speed: float) -> None:
        number = next(self.numbers)
        self.actors[number] = Actor(number, speed, self.dispatch.add_replica(number))

    def die(self, number: int, *, is_blamed: bool = True) -> None:
        actor = self.actors.pop(number, None)
        if actor is not None:
            actor.is_dead = True
            self.deaths += 1
            self.dispatch.remove_replica(number, "died", is_blamed=is_blamed)
            self.at(JOIN_S, lambda: self.join(actor.speed))

    def run(self, shards: Iterator[Shard], limit_s: float = 1e5) -> float:
        """Until every shard is done: when that was."""
        for speed in self.speeds:
            self.join(speed)
        self.at(TICK_S, self.tick)
        waiting = list(shards)
        source = iter(waiting)
        while len(self.done) < len(waiting):
            for attempt in send(self.dispatch, source, self.now_s):
                self.send(attempt)
            self.check()
            for attempt in self.dispatch.drops():
                assert attempt.is_dropped
            for attempt in self.dispatch.hand_backs():
                self.hand_back(attempt)
            for actor in list(self.actors.values()):
                self.go_on(actor)
                self.look_at(actor)
            self.done += self.dispatch.finished()
            if len(self.done) < len(waiting):
                self.now_s, _, event = heapq.heappop(self.events)
                assert self.now_s < limit_s, "it goes on for ever"
                event()
                self.done += self.dispatch.finished()
        self.orphaned_parts += self.dispatch.orphaned_parts()
        assert self.dispatch.is_idle
        return self.now_s

    def tick(self) -> None:
        """The driver wakes up now and then, whatever happens."""
        self.at(TICK_S, self.tick)

    def send(self, attempt: Attempt) -> None:
        assert attempt.part not in self.sent
        self.sent[attempt.part] = attempt

    def go_on(self, actor: Actor) -> None:
        """Begin the next task, if it is not at one."""
        head = actor.queue.head
        if actor.is_dead or head is None or actor.begun == head.part:
            return
        actor.begun = head.part
        if head.is_dropped:
            self.at(0.0, lambda: self.answer(actor, head, None))
            return
        rows = head.in_flight.task.utterances
        self.num_begun += 1
        spent_s, deadly = 0.0, False
        actor.row_ends_s = {}
        for u in rows:
            spent_s += COST.seconds(u) * max(0.1, self.chance.gauss(1.0, self.noise))
            if u.row in self.poison_row:
                deadly = True
                break
            actor.row_ends_s[u.row] = self.now_s + spent_s / actor.speed
        spent_s /= actor.speed
        actor.ends_s = self.now_s + spent_s
        if deadly:
            self.at(spent_s, lambda: None if actor.is_dead or head.part in self.answered else self.die(actor.number))
            return
        self.at(spent_s, lambda: self.answer(actor, head, receipt_of([u.row for u in rows], [])))

    def hand_back(self, attempt: Attempt) -> None:
        """A replica stores what it has done of a task, if anything, and names what is left."""
        self.num_handed_back += 1
        actor = self.actors[attempt.replica]
        rows = [u.row for u in attempt.in_flight.task.utterances]
        ends_s = actor.row_ends_s if actor.begun == attempt.part else {}
        done = [row for row in rows if ends_s.get(row, math.inf) <= self.now_s]
        receipt = receipt_of(done, [row for row in rows if row not in done]) if done else None
        self.at(0.0, lambda: self.answer(actor, attempt, receipt))

    def look_at(self, actor: Actor) -> None:
        """As replicas report: how much of a task is done, in steps of a batch."""
        elapsed_s = self.now_s - actor.queue.since_s
        if self.is_seen and not actor.is_dead and actor.ends_s > self.now_s:
            share = elapsed_s / (elapsed_s + actor.ends_s - self.now_s)
            self.dispatch.record_progress(actor.number, round(8 * share) / 8, self.now_s)

    def answer(self, actor: Actor, attempt: Attempt, receipt: Receipt | None) -> None:
        if actor.is_dead or attempt.part in self.answered:
            return
        self.answered.add(attempt.part)
        if not attempt.is_dropped and receipt is not None:
            self.counted.append(attempt.part)
            self.useful_until_s[actor.number] = self.now_s
        self.dispatch.record_receipt(actor.number, attempt.part, receipt, self.now_s)

    def check(self) -> None:
        """What holds at any moment."""
        tasks: Counter[int] = Counter()
        for actor in self.actors.values():
            attempts = list(actor.queue.attempts.values())
            alive = [attempt for attempt in attempts if not attempt.is_dropped]
            assert len(alive) <= TASKS_IN_FLIGHT
            tasks.update(id(attempt.in_flight) for attempt in alive)
            for attempt in alive:
                assert attempt.in_flight.attempts[attempt.part] is attempt
                assert len(attempt.in_flight.attempts) == 1 or not attempt.in_flight.task.is_suspect
        assert all(count <= 2 for count in tasks.values()), "one copy at most"

    def rows(self) -> tuple[list[int], list[int]]:
        """Rows of the receipts that count, and rows given up; sorted."""
        spoken = [int(row) for s in self.done for r in s.receipts for row in r.manifest.split()]
        return sorted(spoken), sorted(p.utterance.row for s in self.done for p in s.poisoned)


def receipt_of(done: list[int], left: list[int]) -> Receipt:
    """Its manifest is the rows."""
    return Receipt(len(done), 0, 0, 0.0, NO_BATCHES, 0, " ".join(map(str, done)).encode(), tuple(left))


def corpus(num_rows: int, seed: int = 0, longest: int = 2_000) -> list[Utterance]:
    """Rows of log-normal length."""
    chance = random.Random(seed)
    lengths = [min(longest, max(1, round(chance.lognormvariate(4.5, 0.8)))) for _ in range(num_rows)]
    return [Utterance(row, str(row), "x" * length, 0) for row, length in enumerate(lengths)]


def shards_of(rows: Sequence[Utterance], window_rows: int = 8_192, shard_rows: int = 500) -> list[Shard]:
    limits = ShardLimits(shard_rows, 1e9)
    starts = range(0, len(rows), window_rows)
    return [
        shard
        for window, start in enumerate(starts)
        for shard in shard_window(
            window, rows[start : start + window_rows], COST, limits, is_last=start + window_rows >= len(rows)
        )
    ]


LONG = corpus(10_000)
LONG_S = sum(COST.seconds(u) for u in LONG)


@given(
    num_rows=st.integers(0, 400),
    shard_rows=st.integers(1, 120),
    speeds=st.lists(st.floats(0.1, 3.0), min_size=1, max_size=6),
    noise=st.floats(0.0, 0.5),
    deaths=st.lists(st.floats(0.0, 60.0), max_size=8),
    poison_row=st.sets(st.integers(0, 399), max_size=3),
    drains=st.lists(st.floats(0.0, 30.0), max_size=2),
    notice_s=st.floats(0.0, 90.0),
    seed=st.integers(0, 2**16),
)
def test_every_row_is_accounted_for_once_whoever_dies(
    num_rows: int,
    shard_rows: int,
    speeds: list[float],
    noise: float,
    deaths: list[float],
    poison_row: set[int],
    drains: list[float],
    notice_s: float,
    seed: int,
) -> None:
    world = World(speeds, noise, frozenset(row for row in poison_row if row < num_rows), seed)
    chance = random.Random(seed)

    def strike() -> None:
        # The machine's: three that are blamed on one row would rightly give it up.
        if world.actors:
            world.die(chance.choice(sorted(world.actors)), is_blamed=False)

    def drain() -> None:
        if len(world.actors) > 1:
            number = chance.choice(sorted(world.actors))
            gone_s = world.now_s + notice_s
            world.at(notice_s, lambda: world.die(number, is_blamed=False))
            remind(number, gone_s)

    def remind(number: int, gone_s: float) -> None:
        """The notice is seen again every two seconds."""
        if number in world.actors:
            world.dispatch.drain(number, gone_s - world.now_s, world.now_s)
            world.at(2.0, lambda: remind(number, gone_s))

    for at_s in deaths:
        world.at(at_s, strike)
    for at_s in drains:
        world.at(at_s, drain)
    world.run(iter(shards_of(corpus(num_rows, seed), shard_rows=shard_rows)))
    spoken, given_up = world.rows()
    assert given_up == sorted(world.poison_row)
    assert spoken == sorted(set(range(num_rows)) - world.poison_row)
    held = {part for actor in world.actors.values() for part in actor.queue.attempts}
    counted = Counter(world.counted)
    orphaned_parts = Counter(world.orphaned_parts)
    assert counted.keys() | orphaned_parts.keys() | held == world.sent.keys()
    assert not counted.keys() & orphaned_parts.keys(), "a part is committed or swept, never both"
    assert set(counted.values()) | set(orphaned_parts.values()) <= {1}


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("num_replicas", [2, 8, 32])
def test_equal_replicas_end_together(num_replicas: int, noise: float) -> None:
    world = World([1.0] * num_replicas, noise)
    took_s = world.run(iter(shards_of(LONG)))
    assert took_s <= 1.05 * LONG_S / num_replicas


@pytest.mark.parametrize("slow", [0.5, 0.1])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_slow_replica_gets_less_and_holds_nobody_up(place: int, slow: float) -> None:
    speeds = [1.0] * 8
    speeds[place] = slow
    world = World(speeds, noise=0.3)
    took_s = world.run(iter(shards_of(LONG)))
    assert took_s <= 1.05 * LONG_S / sum(speeds)
    # One whose task was copied may have done nothing that counts.
    fast = [number for number in range(8) if number != place]
    assert sum(took_s - world.useful_until_s[number] for number in fast) / 8 <= 0.02 * took_s


@pytest.mark.parametrize(("notice_s", "num_handed_back"), [(1_000.0, 0), (math.inf, 0), (10.0, 1)])
def test_a_node_that_goes_away_loses_nothing_that_was_spoken(notice_s: float, num_handed_back: int) -> None:
    """A task of 60 s is spoken to its end where there is time, else handed back: no row is spoken twice."""
    world = World([1.0, 1.0])
    rows = [Utterance(row, str(row), "x" * 7_500, 0) for row in range(100)]
    work = shards_of(rows, shard_rows=10)
    each_s = work[0].cost_s
    assert 59 < each_s < 61

    def leave(gone_s: float) -> None:
        if 0 in world.actors:
            world.dispatch.drain(0, gone_s - world.now_s, world.now_s)
            world.at(2.0, lambda: leave(gone_s))

    world.at(each_s / 2, lambda: leave(each_s / 2 + notice_s))
    if notice_s < math.inf:
        world.at(each_s / 2 + notice_s, lambda: world.die(0, is_blamed=False))
    world.run(iter(work))
    assert world.rows() == (list(range(100)), [])
    assert world.num_handed_back == num_handed_back
    assert world.num_begun == len(world.counted), "nothing was spoken in vain"


def test_both_deaths_count_when_a_task_and_its_copy_kill_their_replicas() -> None:
    """The copy of a poisonous task must not buy it more lives: two deaths and it is halved."""
    parts = itertools.count()
    dispatch = Dispatcher(lambda shard: f"{shard.id}-{next(parts)}")
    rows = tuple(Utterance(row, str(row), "x" * 100, 0) for row in range(4))
    quick, deadly = Shard(0, 0, rows[:2], "d", 0.2), Shard(0, 1, rows[2:], "d", 0.2)
    dispatch.add_replica(0)
    first, second = send(dispatch, iter([quick, deadly]), 0.0)
    dispatch.record_receipt(0, first.part, Receipt(2, 0, 0, 0.2, NO_BATCHES, 0, b""), 0.2)
    dispatch.add_replica(1)
    assert send(dispatch, iter([]), 0.3) == [], "it may still end in time"
    (copy,) = send(dispatch, iter([]), 2.0)
    assert (copy.in_flight, copy.replica, copy.is_copy) == (second.in_flight, 1, True)
    dispatch.remove_replica(0, "died")
    assert copy.in_flight.task.deaths == 1
    dispatch.add_replica(2)
    assert send(dispatch, iter([]), 9.0) == [], "one that a replica died of is not copied"
    dispatch.remove_replica(1, "died")
    halves = send(dispatch, iter([]), 10.0)
    assert [[u.row for u in attempt.in_flight.task.utterances] for attempt in halves] == [[2]]
    assert sorted(dispatch.orphaned_parts()) == sorted([second.part, copy.part])


def test_the_receipt_that_comes_second_is_an_orphan() -> None:
    parts = itertools.count()
    dispatch = Dispatcher(lambda shard: f"{shard.id}-{next(parts)}")
    rows = tuple(Utterance(row, str(row), "x" * 100, 0) for row in range(4))
    work = [Shard(0, 0, rows[:2], "d", 0.2), Shard(0, 1, rows[2:], "d", 0.2)]
    receipt = Receipt(2, 0, 0, 0.2, NO_BATCHES, 0, b"")
    dispatch.add_replica(0)
    first, second = send(dispatch, iter(work), 0.0)
    dispatch.record_receipt(0, first.part, receipt, 0.2)
    dispatch.add_replica(1)
    (copy,) = send(dispatch, iter([]), 2.0)
    dispatch.record_receipt(1, copy.part, receipt, 2.3)
    assert [attempt.part for attempt in dispatch.drops()] == [second.part]
    assert dispatch.is_idle
    assert dispatch.orphaned_parts() == [], "it may still be written"
    dispatch.record_receipt(0, second.part, receipt, 2.4)
    assert dispatch.orphaned_parts() == [second.part]
    assert [len(spoken.receipts) for spoken in dispatch.finished()] == [1, 1]
