"""All states that a start leads to, breadth first: what drivers do, and when what they sent lands.

A driver SENDS a request; it LANDS at any later moment, in any order, or never, also when its driver has stopped; some
land a second time. A driver that is not scheduled any more is a crash or a pause. Nothing is hashed away: states are
tuples of small numbers that stand for whole values, and what a step or a landing does is worked out once for what it
depends on.

A state: (store, in flight, drivers, lease, done, acked, repeats)
  in flight  requests that were sent and have not landed, a bit each
  lease      the driver that began last: only what was acknowledged to it has to stay
  done       the run that was told complete, until an output is legitimately begun or opened anew
  acked      shards whose commits were acknowledged to the lease's holder
  repeats    how many requests may still land twice
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

State = tuple[int, int, tuple[int, ...], Any, Any, int, int]
Label = str | int
NAMES = "ABCDE"
_UNKNOWN: Any = object()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request on its way. `who` is None for one that is repeated: nothing waits for its answer."""

    who: int | None
    kind: str
    key: str
    value: Any = None
    base: Any = None
    why: str = ""

    def __str__(self) -> str:
        by = "a repeated" if self.who is None else f"{NAMES[self.who]}'s"
        return f"{by} {self.kind} {self.key}{f' ({self.why})' if self.why else ''}"


@dataclass(slots=True)
class World:
    """What one step or landing sees and changes."""

    store: dict[str, Any]
    lease: Any
    done: Any
    acked: frozenset[str]
    sent: list[Sent] = field(default_factory=list)


class Rules(Protocol):
    """How drivers behave, and what has to be true."""

    def driver(self, role: str) -> Any:
        """A driver that has done nothing yet."""
        ...

    def step(self, world: World, who: int, driver: Any) -> tuple[str, Any] | None:
        """What the driver does next, and how it is then; None if it waits, or has ended."""
        ...

    def land(self, world: World, sent: Sent, driver: Any, is_answered: bool) -> Any:
        """Carry a request out; its driver after the answer."""
        ...

    def fault(self, world: World) -> str | None:
        """What must not be so in this store."""
        ...

    def fault_of(self, driver: Any) -> str | None:
        """What a driver must not say."""
        ...


class Numbers(dict[Any, int]):
    """A small number for each value, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Any] = []

    def __missing__(self, value: Any) -> int:
        self[value] = number = len(self.all)
        self.all.append(value)
        return number


class Space:
    """The states of one scenario."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.stores, self.drivers, self.acks, self.sent = Numbers(), Numbers(), Numbers(), Numbers()
        self._steps: dict[Any, Any] = {}
        self._lands: dict[Any, Any] = {}
        self._driver_faults: dict[int, Any] = {}
        self._faults: dict[Any, Any] = {}
        self._ends: dict[State, State] = {}

    def start(self, store: dict[str, Any], roles: Iterable[str], *, done: Any = None, repeats: int = 0) -> State:
        drivers = tuple(self.drivers[self.rules.driver(role)] for role in roles)
        return (self.stores[frozenset(store.items())], 0, drivers, None, done, self.acks[frozenset()], repeats)

    def store_of(self, state: State) -> dict[str, Any]:
        return dict(self.stores.all[state[0]])

    def next(self, state: State) -> Iterator[tuple[Label, State]]:
        """Every state that may follow. Requests land after drivers' steps, in the order of their first sending."""
        for who in range(len(state[2])):
            if (after := self._step(state, who)) is not None:
                yield after
        flight = state[1]
        while flight:
            low = flight & -flight
            flight ^= low
            number = low.bit_length() - 1
            sent = self.sent.all[number]
            after = self._land(state, number, is_answered=True)
            yield number, after
            if state[6] and sent.who is not None:
                if sent.kind == "put_if":  # carried out, its answer lost, and sent again: the second one is answered
                    unanswered = self._land(state, number, is_answered=False)
                    yield -1 - number, (unanswered[0], state[1], *unanswered[2:6], state[6] - 1)
                else:  # answered, and once more on its way
                    again = 1 << self.sent[Sent(None, sent.kind, sent.key, sent.value, sent.base, sent.why)]
                    yield -1 - number, (after[0], after[1] | again, *after[2:6], state[6] - 1)

    def _step(self, state: State, who: int) -> tuple[Label, State] | None:
        store, flight, drivers, lease, done, acked, repeats = state
        memo = (who, drivers[who], store, lease, done, acked)
        result = self._steps.get(memo, _UNKNOWN)
        if result is _UNKNOWN:
            world = World(dict(self.stores.all[store]), lease, done, self.acks.all[acked])
            result = self.rules.step(world, who, self.drivers.all[drivers[who]])
            if result is not None:
                label, driver = result
                result = (f"{NAMES[who]} {label}", self._sent(world), self.drivers[driver], *self._ghosts(world))
            self._steps[memo] = result
        if result is None:
            return None
        label, sent, driver, store, lease, done, acked = result
        return label, (store, flight | sent, _with(drivers, who, driver), lease, done, acked, repeats)

    def _land(self, state: State, number: int, *, is_answered: bool) -> State:
        store, flight, drivers, lease, done, acked, repeats = state
        sent = self.sent.all[number]
        driver = None if sent.who is None else drivers[sent.who]
        memo = (number, store, driver, lease, done, acked, is_answered)
        landed = self._lands.get(memo)
        if landed is None:
            world = World(dict(self.stores.all[store]), lease, done, self.acks.all[acked])
            after = self.rules.land(world, sent, None if driver is None else self.drivers.all[driver], is_answered)
            number_after = None if driver is None else self.drivers[after]
            landed = self._lands[memo] = (self._sent(world), number_after, *self._ghosts(world))
        bits, driver, store, _, done, acked = landed
        if sent.who is not None:
            drivers = _with(drivers, sent.who, driver)
        return store, flight & ~(1 << number) | bits, drivers, lease, done, acked, repeats

    def _sent(self, world: World) -> int:
        bits = 0
        for sent in world.sent:
            bits |= 1 << self.sent[sent]
        return bits

    def _ghosts(self, world: World) -> tuple[int, Any, Any, int]:
        return self.stores[frozenset(world.store.items())], world.lease, world.done, self.acks[world.acked]

    def fault(self, state: State) -> str | None:
        """What is wrong in a state."""
        for driver in state[2]:
            fault = self._driver_faults.get(driver, _UNKNOWN)
            if fault is _UNKNOWN:
                fault = self._driver_faults[driver] = self.rules.fault_of(self.drivers.all[driver])
            if fault is not None:
                return fault
        memo = (state[0], state[4], state[5])
        fault = self._faults.get(memo, _UNKNOWN)
        if fault is _UNKNOWN:
            world = World(dict(self.stores.all[state[0]]), None, state[4], self.acks.all[state[5]])
            fault = self._faults[memo] = self.rules.fault(world)
        return fault

    def explore(self, start: State, *, is_first_enough: bool = True, most: int = 10**9) -> Explored:
        """All states, or (`is_first_enough`) those up to the first fault, or about `most`."""
        seen: dict[State, tuple[State, Label] | None] = {start: None}
        frontier, found = [start], dict[str, list[str]]()
        while frontier and len(seen) < most:
            following: list[State] = []
            for state in frontier:
                for label, after in self.next(state):
                    came = (state, label)
                    if seen.setdefault(after, came) is not came:
                        continue
                    fault = self.fault(after)
                    if fault is None:
                        following.append(after)
                    elif fault not in found:
                        found[fault] = self._trace(seen, after)
                        if is_first_enough:
                            return Explored(len(seen), found)
            frontier = following
        return Explored(len(seen), found)

    def _trace(self, seen: dict[State, tuple[State, Label] | None], state: State) -> list[str]:
        lines: list[str] = []
        while (before := seen[state]) is not None:
            state, label = before
            lines.append(self.told(label))
        return lines[::-1]

    def told(self, label: Label) -> str:
        """A step for people."""
        if isinstance(label, str):
            return label
        sent = self.sent.all[label if label >= 0 else -1 - label]
        return f"    lands: {sent}" + ("; its answer is lost, it is sent again" if label < 0 else "")

    def run_alone(self, state: State, role: str) -> State:
        """What one more driver makes of a store when nothing is late.

        Raises:
            AssertionError: For a fault on the way
        """
        state = (state[0], 0, (self.drivers[self.rules.driver(role)],), None, None, self.acks[frozenset()], 0)
        way: list[State] = []
        for _ in range(1000):
            options = [] if state in self._ends else list(self.next(state))
            if not options:
                end = self._ends.get(state, state)
                self._ends.update(dict.fromkeys(way, end))  # many ways meet
                return end
            way.append(state)
            state = options[-1][1]  # what was sent lands before the next step
            assert self.fault(state) is None, (self.fault(state), self.store_of(state))
        raise AssertionError(f"it does not end: {self.store_of(state)}")


@dataclass(frozen=True, slots=True)
class Explored:
    """How many states there are, and the shortest trace of each kind of fault."""

    num_states: int
    faults: dict[str, list[str]]


def _with(drivers: tuple[int, ...], who: int, driver: int) -> tuple[int, ...]:
    return (*drivers[:who], driver, *drivers[who + 1 :])
