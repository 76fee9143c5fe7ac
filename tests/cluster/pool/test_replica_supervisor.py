"""Replicas are given up once each, replaced by their source, and called broken when they only die."""

from __future__ import annotations

from typing import Any

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext, NodeDeathInfo
from ray.exceptions import ActorDiedError, RayTaskError

from speechmill.cluster.pool.replica_supervisor import ReplicaSupervisor, loading_error
from speechmill.errors import ModelError, ReplicasLost, SpecError


class Numbers:
    """A source of numbered replicas that are no processes."""

    def __init__(self, size: int) -> None:
        self.size = self.num_due = size
        self.lost_by: list[tuple[Any, str]] = []
        self.ended: list[Any] = []
        self.num_made = 0

    def come(self) -> list[Any]:
        due, self.num_due = self.num_due, 0
        self.num_made += due
        return [[number] for number in range(self.num_made - due, self.num_made)]

    def lost(self, actor: Any, job: str) -> None:
        self.lost_by.append((actor, job))
        self.num_due += 1

    def end(self, actor: Any, job: str) -> None:
        self.ended.append(actor)

    def wanting(self) -> str:
        return "more"


def test_a_replica_is_given_up_once_and_its_place_is_filled_again() -> None:
    source = Numbers(2)
    replicas = ReplicaSupervisor(source, "job")
    first, second = replicas.admit()
    assert replicas.admit() == []
    assert replicas.give_up(first, RuntimeError("gone"))
    assert not replicas.give_up(first, RuntimeError("gone"))
    assert (source.lost_by, replicas.num_deaths) == ([(first, "job")], 1)
    (third,) = replicas.admit()
    replicas.end()
    assert source.ended == [second, third]
    assert not replicas.give_up(third, RuntimeError("gone"))


def test_deaths_in_a_row_end_it_and_a_success_between_them_does_not() -> None:
    replicas = ReplicaSupervisor(Numbers(1), max_deaths_in_a_row=2)

    def die() -> None:
        (actor,) = replicas.admit()
        replicas.give_up(actor, RuntimeError("a traceback\n  no such device\n"))

    for _ in range(5):
        die()
        replicas.check()
    replicas.record_success()
    for _ in range(5):
        die()
        replicas.check()
    die()
    with pytest.raises(ReplicasLost, match=r"6 replicas died in a row .*: no such device"):
        replicas.check()
    assert replicas.num_deaths == 11


def test_nodes_that_are_taken_away_say_nothing_against_the_replicas() -> None:
    replicas = ReplicaSupervisor(Numbers(1), max_deaths_in_a_row=0)
    info = NodeDeathInfo(reason=NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED)
    preempted = ActorDiedError(ActorDiedErrorContext(node_death_info=info, actor_id=bytes(16)))
    assert preempted.preempted
    for _ in range(10):
        (actor,) = replicas.admit()
        replicas.give_up(actor, preempted)
        replicas.check()


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (SpecError("model.path is wrong"), SpecError, "model.path is wrong"),
        (OSError("no such\ndriver"), ModelError, "the model cannot be loaded: driver"),
        (None, ReplicasLost, "died while it was loaded"),
    ],
)
def test_what_kept_a_model_from_loading_is_told(cause: Exception | None, kind: type[Exception], message: str) -> None:
    error = RayTaskError("warm", "traceback", cause) if cause else ActorDiedError()
    told = loading_error(error)
    assert type(told) is kind
    assert message in str(told)
