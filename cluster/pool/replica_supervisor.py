"""The replicas of a run or of a service: started, given up when they fail, replaced, ended.

Guaranteed: an actor is given up once, however often `give_up` is called for it. A source whose replicas all die raises
an error; one that loses some of them does not. The caller notices deaths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ModelError, ReplicasLost, SpeechmillError

if TYPE_CHECKING:
    from .replica_source import ReplicaSource

MAX_DEATHS_IN_A_ROW = 40
"""More than it takes to halve a shard of thousands of rows down to a poisonous row; few enough to stop a broken run."""
DEATHS_PER_REPLICA = 3
"""Deaths in a row that are allowed in addition, for each replica of the source."""


class ReplicaSupervisor:
    """Keeps the number of replicas that its source should have.

    Attributes:
        num_deaths: Number of replicas that were given up
    """

    def __init__(self, source: ReplicaSource, job: str = "", max_deaths_in_a_row: int = MAX_DEATHS_IN_A_ROW) -> None:
        """`max_deaths_in_a_row`: allowed deaths in a row; `DEATHS_PER_REPLICA` for each replica come on top."""
        self._source = source
        self._job = job
        self._max_deaths = max_deaths_in_a_row
        self._living: list[Any] = []
        self._deaths_in_a_row = 0
        self._last_error: Exception | None = None
        self.num_deaths = 0

    def admit(self) -> list[Any]:
        """The actors that have come since the last call, among them those that replace lost ones."""
        actors = self._source.come()
        self._living += actors
        return actors

    def record_success(self) -> None:
        """Record that a replica did its work: the source is not broken, so earlier deaths do not count any more."""
        self._deaths_in_a_row = 0

    def give_up(self, actor: Any, error: Exception) -> bool:
        """Give up a replica that is dead or at fault; False if that was done before."""
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
        """Advice to the user when no replica comes."""
        return self._source.wanting()

    def end(self) -> None:
        """End all replicas, or return borrowed ones."""
        for actor in self._living:
            self._source.end(actor, self._job)
        self._living = []


def is_preempted(error: Exception) -> bool:
    """Whether a replica died because its node was taken away."""
    return bool(getattr(error, "preempted", False))


def cause_of(error: Exception) -> Exception:
    """The error that the replica raised, without Ray's wrapping and its remote traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def summary(error: Exception) -> str:
    """The last line of an error's message, which names the cause."""
    lines = [line.strip() for line in str(cause_of(error)).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def loading_error(error: Exception) -> SpeechmillError:
    """The error to raise for a replica that did not load.

    Returns:
        The error of speechmill that the replica raised, ModelError for another error, ReplicasLost if it died
    """
    cause = cause_of(error)
    if isinstance(cause, SpeechmillError):
        return cause
    if hasattr(error, "cause"):  # the replica has answered
        return ModelError(f"the model cannot be loaded: {summary(error)}")
    return ReplicasLost(f"the replica died while it was loaded: {summary(error)}")
