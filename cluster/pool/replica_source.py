"""Where replicas come from: spawned for a run or a service and ended with it, or borrowed from a service.

A service's replicas are named actors of the namespace `NAMESPACE`; a run that borrows them leaves them
as they were. Not known here: shards, tasks, what a replica says.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Any, Protocol

import ray
from ray.util import list_named_actors

from ...actors.replica.receipt import ReplicaConfig
from ...errors import SpecError
from ..session import ReplicaPlan
from .actor import ReplicaActor

NAMESPACE = "speechmill"
LOOK_EVERY_S = 5.0
_ANSWER_S = 30.0


class ReplicaSource(Protocol):
    """The replicas of one run, or of a service."""

    @property
    def size(self) -> int:
        """How many there should be."""
        ...

    def come(self) -> list[Any]:
        """Actors that are there now and were not given before."""
        ...

    def lost(self, actor: Any, job: str) -> None:
        """Replace an actor that has died, or is not trusted any more."""
        ...

    def end(self, actor: Any, job: str) -> None:
        """Let go of an actor: the run is over."""
        ...

    def wanting(self) -> str:
        """What to do when none comes."""
        ...


class Spawned:
    """Replicas of one's own, by a plan; one that is lost is replaced. Those of a service can be borrowed by runs."""

    def __init__(self, plan: ReplicaPlan, config: ReplicaConfig, service: str | None = None) -> None:
        self._plan = plan
        self._config = ray.put(config)
        self._service = service
        self._num_due = plan.num_replicas

    @property
    def size(self) -> int:
        return self._plan.num_replicas

    def come(self) -> list[Any]:
        due, self._num_due = self._num_due, 0
        return [self._spawn() for _ in range(due)]

    def _spawn(self) -> Any:
        remote: Any = ray.remote(ReplicaActor)
        named = {} if self._service is None else {"name": _new_name(self._service), "namespace": NAMESPACE}
        how = {"num_cpus": self._plan.cpus, "num_gpus": self._plan.gpus, "max_restarts": 0, **named}
        return remote.options(**how).remote(self._config)

    def lost(self, actor: Any, job: str) -> None:
        ray.kill(actor)
        self._num_due += 1

    def end(self, actor: Any, job: str) -> None:
        ray.kill(actor)

    def wanting(self) -> str:
        need = f"{self._plan.gpus:g} GPU and {self._plan.cpus:g} CPU" if self._plan.gpus else f"{self._plan.cpus:g} CPU"
        free = ray.available_resources()
        return (
            f"each needs {need}; the cluster has {free.get('GPU', 0):g} GPU and {free.get('CPU', 0):g} CPU free. Wait "
            "for nodes, free some, or change cluster.gpus_per_replica, cluster.cpus_per_replica or cluster.replicas."
        )


class Borrowed:
    """The replicas of a service, as they come and go; rows are spoken in what its streams leave over.

    Raises:
        SpecError: If there is no such service
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._known: dict[str, Any] = {}
        self._looked_at = -LOOK_EVERY_S
        self._first: list[Any] = []
        self._first = self.come()
        if not self._first:
            raise SpecError(
                f'cluster.replicas: service: there is no service "{service}" on this Ray cluster with a replica; start '
                "one with `speechmill serve`, or give the job replicas of its own"
            )
        self.device: str = ray.get(self._first[0].device.remote(), timeout=_ANSWER_S)

    @property
    def size(self) -> int:
        return len(self._known)

    def come(self) -> list[Any]:
        if self._first:
            first, self._first = self._first, []
            return first
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return []
        self._looked_at = now
        new = _actors(_replica_names(self._service) - self._known.keys())
        self._known |= new
        return list(new.values())

    def lost(self, actor: Any, job: str) -> None:
        self.end(actor, job)
        # If it lives, it comes again at the next look.
        self._known = {name: known for name, known in self._known.items() if known is not actor}

    def end(self, actor: Any, job: str) -> None:
        actor.leave.remote(job)

    def wanting(self) -> str:
        return f'they are those of the service "{self._service}": see whether it is ready.'


def _new_name(service: str) -> str:
    return f"{_prefix(service)}{uuid.uuid4().hex[:12]}"


def replicas_of(service: str) -> list[Any]:
    """The actors of a service that are there now."""
    return list(_actors(_replica_names(service)).values())


def _actors(names: set[str]) -> dict[str, Any]:
    """The actors of these names, sorted, but for those that went away since they were listed."""
    found: dict[str, Any] = {}
    for name in sorted(names):
        with contextlib.suppress(ValueError):
            found[name] = ray.get_actor(name, namespace=NAMESPACE)
    return found


def _prefix(service: str) -> str:
    return f"replica/{service}/"


def _replica_names(service: str) -> set[str]:
    found: list[Any] = list_named_actors(all_namespaces=True)
    names = {entry["name"] for entry in found if entry["namespace"] == NAMESPACE}
    return {name for name in names if name.startswith(_prefix(service))}
