"""No two drivers ever write one output: every order in which their requests may land, on a small job.

The product's machines run over a model store (`space`, `drivers`). Nothing asks for the lease, so what holds here holds
with a lease that fails in any way. Each rule of the protocol is dropped once (`mutations`), to see that it is missed.
`-s` shows the number of states. The scenarios `SLOW` take a second or so each, the scenarios `LONG` minutes: `-m soak`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from .drivers import ProtocolRules
from .mutations import MUTATIONS, Mutation
from .space import Explored, Space
from .today import TodaysRules


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is there, who drives it, how many requests land twice, and what is else unusual."""

    num_shards: int
    start: str
    roles: str
    repeats: int = 0
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options)
        return f"{self.start}/{self.num_shards}: {self.roles}, repeats {self.repeats}{' ' if options else ''}{options}"


_LATE = ("is_audio_late", True)
_PLAIN = ("is_conditional", False)
_LOSERS = ("has_losers", True)

SCENARIOS = [
    Scenario(2, "empty", "run:J run:J", 1),
    Scenario(2, "open", "run:J run:J", 2),
    Scenario(1, "empty", "run:J run:J sweep"),
    Scenario(2, "open", "run:J run:J read"),
    Scenario(1, "complete", "over:K run:K read"),
    Scenario(2, "complete", "over:K read"),
    Scenario(1, "complete", "over:K over:K"),
    Scenario(1, "complete", "over:K sweep", 1),
    Scenario(2, "complete", "repair:J sweep", 1),
    Scenario(2, "complete", "repair:J run:J sweep"),
    Scenario(1, "complete", "repair:J over:K"),
    Scenario(2, "complete", "update:U sweep", 1),
    Scenario(2, "complete", "update:U run:U"),
    Scenario(2, "complete", "update:U update:U sweep"),
    Scenario(2, "complete", "update:U forget", 1),
    Scenario(2, "complete", "update:U forget readold"),
    Scenario(2, "complete", "update:U read"),
    Scenario(2, "complete", "repair:J update:U"),
    Scenario(2, "open", "run:J update:U"),
    Scenario(1, "empty", "run:J run:J", 1, (_LATE, _LOSERS)),
    Scenario(1, "open", "run:J over:K", 0, (_LATE, _LOSERS)),
    Scenario(1, "empty", "run:J run:J", 1, (("has_text", True),)),
    Scenario(1, "empty", "run:J run:J sweep", 0, (("blind", ((1, 0),)),)),
    Scenario(1, "open", "over:K run:J", 1, (("retries", 1),)),
    Scenario(2, "empty", "run:J run:J", 1, (_PLAIN,)),
]
SLOW = [
    Scenario(1, "empty", "run:J run:J run:J"),
    Scenario(2, "empty", "run:J over:K", 1),
    Scenario(2, "open", "over:K run:J", 1),
    Scenario(2, "complete", "update:U over:K"),
    Scenario(2, "open", "run:J over:K", 1, (_PLAIN,)),
    Scenario(1, "complete", "over:K over:K", 0, (_PLAIN,)),
]
LONG = [
    Scenario(2, "empty", "run:J run:J sweep", 0, (("blind", ((2, 0),)),)),
    Scenario(3, "empty", "run:J run:J"),
    Scenario(2, "open", "run:J run:J sweep", 0, (("blind", ((1, 0),)),)),
    Scenario(2, "empty", "run:J run:J run:J"),
    Scenario(2, "open", "run:J run:J run:J", 1),
    Scenario(2, "empty", "run:J run:J sweep", 1),
    Scenario(1, "complete", "over:K over:K", 1),
    Scenario(1, "complete", "over:K over:K sweep"),
    Scenario(2, "complete", "over:K sweep", 1),
    Scenario(2, "complete", "over:K read sweep"),
    Scenario(2, "open", "run:J over:K sweep"),
    Scenario(2, "complete", "update:U run:U forget"),
    Scenario(2, "complete", "update:U forget sweep", 1),
    Scenario(2, "open", "run:J update:U sweep"),
    Scenario(2, "complete", "update:U repair:J sweep"),
    Scenario(2, "empty", "run:J run:J", 0, (_LATE, _LOSERS)),
    Scenario(2, "empty", "run:J run:J", 0, (("retries", 1), _LOSERS)),
    Scenario(2, "empty", "run:J run:J", 1, (("has_text", True),)),
    Scenario(1, "complete", "over:K over:K sweep", 0, (_PLAIN,)),
]


def explored(rules: ProtocolRules | TodaysRules, scenario: Scenario, **limits: Any) -> tuple[Space, Explored]:
    """All that may happen in a scenario."""
    space = Space(rules)
    store, done = rules.initial(scenario.start)
    start = space.start(store, scenario.roles.split(), done=done, repeats=scenario.repeats)
    return space, space.explore(start, **limits)


def told(found: Explored) -> str:
    """Each fault with its shortest trace."""
    return "\n".join("\n".join([fault, *(f"  {line}" for line in trace)]) for fault, trace in found.faults.items())


def check(scenario: Scenario, record_property: Any) -> None:
    rules = ProtocolRules(scenario.num_shards, **dict(scenario.options))
    space, found = explored(rules, scenario)
    record_property("states", found.num_states)
    stores = list(space.stores.all)
    print(f"\n{scenario}: {found.num_states:,} states, {len(stores):,} stores")
    assert not found.faults, told(found)
    complete_and_sweep(space, rules, stores)


def complete_and_sweep(space: Space, rules: ProtocolRules, stores: list[Any]) -> None:
    """From every store that was met: a fresh driver completes it, a sweep then leaves only what counts."""
    rules.blind = set()
    for number in range(len(stores)):
        root = rules.found(dict(stores[number]))
        job = root.file.body if root is not None else "J"
        state = space.run_alone((number, 0, (), None, None, 0, 0), f"run:{job}")
        assert rules.is_complete(space.store_of(state)), space.store_of(state)
        state = space.run_alone(space.run_alone(state, "sweep"), "read")
        assert not rules.left_over(space.store_of(state)), space.store_of(state)
        assert rules.is_complete(space.store_of(state))


@pytest.mark.parametrize(
    "scenario", [*SCENARIOS, *(pytest.param(scenario, marks=pytest.mark.slow) for scenario in SLOW)], ids=str
)
def test_nothing_is_lost_and_nothing_counts_twice_in_any_order(scenario: Scenario, record_property: Any) -> None:
    """Law: in every state the invariants of `ProtocolRules.fault` hold; from every store a fresh driver completes."""
    check(scenario, record_property)


@pytest.mark.soak
@pytest.mark.parametrize("scenario", LONG, ids=str)
def test_nothing_is_lost_in_more_states(scenario: Scenario, record_property: Any) -> None:
    """The same law where there are up to a million states."""
    check(scenario, record_property)


ROLES = ["run:J", "run:K", "over:K", "over:J", "sweep", "repair:J", "read", "update:U", "run:U", "forget", "readold"]


def walk(num_walks: int, seed: int) -> int:
    """Random walks of three to five drivers over three shards; the number of steps."""
    chance, num_steps = random.Random(seed), 0
    rules = ProtocolRules(3, retries=1, has_losers=True)
    space = Space(rules)
    for _ in range(num_walks):
        kind = chance.choice(["empty", "open", "complete"])
        store, done = rules.initial(kind)
        roles = [chance.choice(ROLES) for _ in range(chance.randint(3, 5))]
        state = space.start(store, roles, done=done, repeats=3)
        lateness = chance.choice([0.1, 0.5, 1, 3])
        trace = [f"{kind}: {' '.join(roles)}"]
        while options := list(space.next(state)):
            label, state = chance.choices(options, [lateness if isinstance(at, str) else 1 for at, _ in options])[0]
            trace.append(space.told(label))
            num_steps += 1
            assert space.fault(state) is None, "\n".join([str(space.fault(state)), *trace])
    return num_steps


def test_of_up_to_five_drivers_a_sample(record_property: Any) -> None:
    """Law: the same invariants, on walks that are too long for all their orders."""
    num_steps = walk(50, seed=1)
    record_property("steps", num_steps)
    print(f"\n50 walks: {num_steps:,} steps")


@pytest.mark.soak
def test_of_up_to_five_drivers_a_large_sample() -> None:
    """Law: the same."""
    for seed in range(2, 12):
        walk(1000, seed)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.rule}: {mutation.what}")
def test_each_rule_is_missed_where_it_is_dropped(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """Law: the protocol without one of its rules fails; with all of them it stands in the very same scenario."""
    scenario = Scenario(mutation.num_shards, mutation.start, mutation.roles)
    options = dict(mutation.options)
    _, found = explored(ProtocolRules(mutation.num_shards, **options), scenario)
    assert not found.faults, told(found)
    mutation.patch(monkeypatch)
    _, found = explored(mutation.rules(mutation.num_shards, **options), scenario)
    print(f"\nrule {mutation.rule}, {mutation.what} [{scenario}]: {found.num_states} states\n{told(found)}")
    record_property("trace", sum(len(trace) for trace in found.faults.values()))
    assert list(found.faults) == [mutation.fault]


def test_every_rule_has_its_mutation() -> None:
    """Of the thirteen in the protocol's text."""
    assert {mutation.rule for mutation in MUTATIONS} == set(range(1, 14))


TODAYS_HOLES = [
    ("open", "run:J over:K", 0, "a shard counts twice", 20),
    ("open", "run:J over:K", 0, "complete, and a shard is missing", 9),
    ("open", "run:J over:K", 0, "a committed shard does not count any more", 7),
    ("complete", "over:K over:K", 0, "what was told complete is not complete any more", 22),
    ("complete", "over:K over:K", 0, "manifests of a complete output are gone", 23),
    ("open", "run:J run:J sweep", 1, "audio that a counted manifest names is gone", 11),
]


@pytest.mark.parametrize(("start", "roles", "repeats", "fault", "num_steps"), TODAYS_HOLES)
def test_what_is_known_to_go_wrong_without_the_protocol_is_found(
    start: str, roles: str, repeats: int, fault: str, num_steps: int
) -> None:
    """The rules of format 2 had these holes: late manifests and deletes of a driver that was paused and replaced."""
    _, found = explored(TodaysRules(), Scenario(2, start, roles, repeats), is_first_enough=False)
    assert len(found.faults[fault]) == num_steps, told(found)
