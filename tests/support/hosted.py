"""Replicas that share one process, for tests that need no process of their own; else they work as those of a run.

Each is of the actor's own class (`cluster/pool/actor.py`). It has no process of its own, so it cannot be killed. A
process costs a second or two of imports, more than the work of most tests.
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

import ray
from ray import cloudpickle

from speechmill.cluster.pool.actor import ReplicaActor
from speechmill.cluster.pool.replica_source import Spawned

# The host's process cannot import this file, so the classes here travel with the actor.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Host:
    """A process that holds replicas, to be wrapped by `ray.remote`."""

    def __init__(self) -> None:
        self._replicas: dict[str, ReplicaActor] = {}

    async def make(self, name: str, config: Any) -> None:
        """Make a replica."""
        self._replicas[name] = ReplicaActor(config)

    async def forget(self, name: str) -> None:
        """End a replica."""
        del self._replicas[name]

    async def call(self, name: str, method: str, *arguments: Any) -> Any:
        """Call a replica's method."""
        return await getattr(self._replicas[name], method)(*arguments)


class HostedActor:
    """One replica of a host, with the interface of an actor."""

    def __init__(self, host: Any, name: str) -> None:
        self.host, self.name = host, name

    def __getattr__(self, method: str) -> HostedMethod:
        return HostedMethod(self, method)


class HostedMethod:
    """A method of a hosted replica."""

    def __init__(self, actor: HostedActor, method: str) -> None:
        self._actor, self._method = actor, method

    def remote(self, *arguments: Any) -> Any:
        """Call it; a reference to the answer."""
        return self._actor.host.call.remote(self._actor.name, self._method, *arguments)


class Hosted(Spawned):
    """The replicas of a run, in the host's process."""

    def come(self) -> list[Any]:
        """The replicas that are due."""
        due, self._num_due = self._num_due, 0
        return [self._made(uuid.uuid4().hex) for _ in range(due)]

    def _made(self, name: str) -> HostedActor:
        host = _host()
        ray.get(host.make.remote(name, self._config))
        return HostedActor(host, name)

    def lost(self, actor: HostedActor, job: str) -> None:
        """End a replica, and let another one come."""
        self.end(actor, job)
        self._num_due += 1

    def end(self, actor: HostedActor, job: str) -> None:
        """End a replica."""
        actor.host.forget.remote(actor.name)


def _host() -> Any:
    """The host of this cluster and of this job's environment, started at the first call; it outlives the jobs."""
    remote: Any = ray.remote(Host)
    environment = ray.get_runtime_context().runtime_env.get("env_vars", {})
    name = f"host {sorted(environment.items())}"
    how = {"name": name, "namespace": "tests", "lifetime": "detached", "get_if_exists": True}
    return remote.options(num_cpus=0, max_concurrency=1_000, **how).remote()
