"""The replicas of a small run on this machine, as processes without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from ....actors.replica.receipt import ReplicaConfig
from ..transport import Transport
from .replica_process import CallRaised, ProcessDied, ReplicaProcess


class ProcessTransport:
    """Calls of processes; a reference is a future."""

    raised: type[Exception] = CallRaised
    died: type[Exception] = ProcessDied

    def share(self, value: object) -> Any:
        """See `Transport.share`; it is sent with each call."""
        return value

    def wait(self, references: Sequence[Future[Any]], timeout_s: float) -> list[Future[Any]]:
        """See `Transport.wait`."""
        return list(wait(references, timeout_s, FIRST_COMPLETED).done)

    def answer(self, reference: Future[Any]) -> Any:
        """See `Transport.answer`."""
        return reference.result()

    def draining(self) -> dict[str, float]:
        """See `Transport.draining`: no machine but this one is used."""
        return {}


class ProcessSource:
    """A number of replicas, each a process that this one starts, ends and replaces."""

    transport: Transport = ProcessTransport()

    def __init__(self, num_replicas: int, config: ReplicaConfig) -> None:
        self._config = config
        self._num_replicas = self._num_due = num_replicas

    @property
    def size(self) -> int:
        return self._num_replicas

    def come(self) -> list[Any]:
        """Start the replicas that are missing."""
        due, self._num_due = self._num_due, 0
        return [ReplicaProcess(self._config) for _ in range(due)]

    def lost(self, actor: ReplicaProcess, job: str) -> None:
        """See `ReplicaSource.lost`."""
        actor.kill()
        self._num_due += 1

    def end(self, actor: ReplicaProcess, job: str) -> None:
        """See `ReplicaSource.end`."""
        actor.kill()

    def wanting(self) -> str:
        """See `ReplicaSource.wanting`."""
        return "they are processes of this machine: see whether it is busy, or out of memory."
