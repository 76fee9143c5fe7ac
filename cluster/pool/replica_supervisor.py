"""The replicas of a run, or of a service: started, given up when they fail, replaced, ended.

Guaranteed: an actor that is given up is lost once, however often that is asked; a source whose replicas die one after
the other is told from one that loses some. Not known here: what replicas are for, and how their deaths are noticed.
"""

from __future__ import annotations

from typing import Any

from ray.exceptions import ActorDiedError, RayTaskError

from ...errors import ModelError, ReplicasLost, SpeechmillError
from .replica_source import ReplicaSource

MAX_DEATHS_IN_A_ROW = 40
"""More than halving a shard of thousands of rows down to a poisonous one takes; fewer than a broken machine wastes."""
DEATHS_PER_REPLICA = 3
"""So many more deaths in a row are borne for each replica that there should be."""


class ReplicaSupervisor:
    """Keeps as many replicas as its source has.

    Attributes:
        num_deaths: Of replicas that were given up
    """

    def __init__(self, source: ReplicaSource, job: str = "", max_deaths_in_a_row: int = MAX_DEATHS_IN_A_ROW) -> None:
        """`max_deaths_in_a_row`: beside those that are borne for each replica."""
        self._source = source
        self._job = job
        self._max_deaths = max_deaths_in_a_row
        self._living: list[Any] = []
        self._deaths_in_a_row = 0
        self._last_error: Exception | None = None
        self.num_deaths = 0

    def admit(self) -> list[Any]:
        """The actors that have come since the last call; the place of one that was given up is filled again."""
        actors = self._source.come()
        self._living += actors
        return actors

    def record_success(self) -> None:
        """A replica did what it is there for: the deaths before were none of a source that is broken."""
        self._deaths_in_a_row = 0

    def give_up(self, actor: Any, error: Exception) -> bool:
        """Let go of a replica that is dead or not to be trusted; False if that was done before."""
        if not any(known is actor for known in self._living):
            return False
        self._living = [known for known in self._living if known is not actor]
        self._source.lost(actor, self._job)
        self.num_deaths += 1
        self._last_error = error
        if not is_preempted(error):
            self._deaths_in_a_row += 1
        return True

    def check(self) -> None:
        """Raise ReplicasLost when too many replicas died in a row."""
        if self._deaths_in_a_row > self._max_deaths + DEATHS_PER_REPLICA * self._source.size:
            assert self._last_error is not None
            raise ReplicasLost(
                f"{self._deaths_in_a_row} replicas died in a row without getting anything done; the last one said: "
                f"{summary(self._last_error)}"
            ) from self._last_error

    def wanting(self) -> str:
        """What to do when no replica comes."""
        return self._source.wanting()

    def end(self) -> None:
        """End all replicas, or give them back."""
        for actor in self._living:
            self._source.end(actor, self._job)
        self._living = []


def is_preempted(error: Exception) -> bool:
    """Whether a replica died because its node was taken away."""
    return isinstance(error, ActorDiedError) and error.preempted


def cause_of(error: Exception) -> Exception:
    """The error as the replica raised it, without Ray's wrapping and its remote traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def summary(error: Exception) -> str:
    """The last line of an error's message, which says most."""
    lines = [line.strip() for line in str(cause_of(error)).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def loading_error(error: Exception) -> SpeechmillError:
    """What a replica that did not load says: speechmill's own error, ModelError, or ReplicasLost for one that died."""
    cause = cause_of(error)
    if isinstance(cause, SpeechmillError):
        return cause
    if isinstance(error, RayTaskError):
        return ModelError(f"the model cannot be loaded: {summary(error)}")
    return ReplicasLost(f"the replica died while it was loaded: {summary(error)}")
