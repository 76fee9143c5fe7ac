"""Sources of replicas: spawned for a run or a service and ended with it, or borrowed from a service.

A service's replicas are named actors in the namespace `NAMESPACE`. A run that borrows them leaves them as they were.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import replace
from typing import Any, Protocol

import ray
from ray.util import list_named_actors

from ...actors.replica.receipt import ReplicaConfig
from ...errors import SpecError
from ..session import ReplicaPlan
from .actor import ReplicaActor
from .ray_transport import RayTransport
from .transport import Transport

NAMESPACE = "speechmill"
LOOK_EVERY_S = 5.0
_ANSWER_S = 30.0


class ReplicaSource(Protocol):
    """The replicas of one run, or of a service."""

    @property
    def transport(self) -> Transport:
        """How the replicas are called."""
        ...

    @property
    def size(self) -> int:
        """Number of replicas that there should be."""
        ...

    def come(self) -> list[Any]:
        """Actors that have come since the last call."""
        ...

    def lost(self, actor: Any, job: str) -> None:
        """Replace an actor that has died or is at fault."""
        ...

    def end(self, actor: Any, job: str) -> None:
        """End an actor, or return a borrowed one: the run is over."""
        ...

    def wanting(self) -> str:
        """Advice to the user when no replica comes."""
        ...


class Spawned:
    """Replicas that this process starts, by a plan, and replaces. Runs can borrow those of a service.

    Args:
        plan: Their number, and the cores and GPUs of each, which are its share of the memory, too
        service: Name of the service that the replicas belong to; None for the replicas of a run
    """

    transport: Transport = RayTransport()

    def __init__(self, plan: ReplicaPlan, config: ReplicaConfig, service: str | None = None) -> None:
        self._plan = plan
        self._config = ray.put(replace(config, cpus=plan.cpus, gpus=plan.gpus or config.gpus))
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
    """The replicas of a service, as they come and go. Its streams go before the rows of a job.

    Raises:
        SpecError: There is no such service
    """

    transport: Transport = RayTransport()

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
        # If the actor lives, the next look finds it again.
        self._known = {name: known for name, known in self._known.items() if known is not actor}

    def end(self, actor: Any, job: str) -> None:
        actor.leave.remote(job)

    def wanting(self) -> str:
        return f'they are those of the service "{self._service}": see whether it is ready.'


def _new_name(service: str) -> str:
    return f"{_prefix(service)}{uuid.uuid4().hex[:12]}"


def replicas_of(service: str) -> list[Any]:
    """The present actors of a service."""
    return list(_actors(_replica_names(service)).values())


def _actors(names: set[str]) -> dict[str, Any]:
    """The actors of these names, sorted by name; those that have ended since they were listed are left out."""
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
