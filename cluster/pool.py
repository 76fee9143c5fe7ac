"""Replicas as Ray actors: called up, fed two tasks deep, and replaced when they die.

Guaranteed: every shard fed comes back exactly once from `collect`, as receipts and poisoned rows that together
hold all its utterances, or an error of the whole run is raised. A replica's death costs the tasks that it held and
nothing else. Not known here: where shards come from, what a receipt is good for.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from ..actors.batcher.profile import Profile
from ..actors.part import PartStore
from ..actors.receipt import Receipt, ReplicaConfig
from ..actors.segment import Shard
from ..errors import JobError, ModelError, ReplicasLost, RunStopped
from .crew import Crew
from .member import Member
from .retry import Poison, Task, after_death
from .state import ReplicaState

TASKS_IN_FLIGHT = 2
"""One being spoken, one waiting behind it: the replica never waits for the driver."""

PROGRESS_EVERY_S = 1.0

MAX_DEATHS_IN_A_ROW = 40
"""More than halving a shard of thousands of rows down to a poisonous one takes; fewer than a broken machine wastes."""

STARTING_TOO_LONG_S = 60.0


@dataclass(frozen=True, slots=True)
class SpokenShard:
    """A shard all of whose utterances are accounted for, by receipts and by poisoned rows."""

    shard: Shard
    receipts: tuple[Receipt, ...]
    poisoned: tuple[Poison, ...]


@dataclass(slots=True)
class _OpenShard:
    """A shard of which some tasks are still out."""

    num_open: int = 1
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    poisoned: list[Poison] = field(default_factory=list[Poison])


class Pool:
    """The replicas of one run. Use as a context manager; leaving it ends them, or gives them back."""

    def __init__(self, crew: Crew, config: ReplicaConfig, store: PartStore) -> None:
        self._crew = crew
        self._job = uuid.uuid4().hex[:12]
        self._config = ray.put(config)
        self._store = ray.put(store)
        self._members: list[Member] = []
        self._again: deque[Task] = deque()
        self._open: dict[str, _OpenShard] = {}
        self._finished: list[SpokenShard] = []
        self._num_joined = 0
        self._deaths_in_a_row = 0
        self._polled_at = 0.0
        self._started_at = time.monotonic()
        self.num_deaths = 0
        self.profiles: dict[str, Profile] = {}
        """What replicas measured or knew of their batches' costs, by the hardware that they run on."""

    def __enter__(self) -> Pool:
        self._muster()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            self._crew.end(member.actor, self._job)
        self._members.clear()

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out."""
        return not self._open

    def feed(self, shards: Iterator[Shard]) -> None:
        """Give every ready replica work up to its depth, shards that lost their replica first."""
        for depth in range(TASKS_IN_FLIGHT):
            for member in self._members:
                if member.is_ready and len(member.tasks) <= depth and not member.is_quarantined:
                    task = self._next_task(shards, is_alone=not member.tasks)
                    if task is not None:
                        self._send(member, task)

    def collect(self, timeout_s: float) -> list[SpokenShard]:
        """Wait until something happens, at most `timeout_s`; the shards that are done.

        Raises JobError and RunStopped from a replica, and ReplicasLost when they die without getting anywhere.
        """
        self._muster()
        waited = {ref: member for member in self._members for ref in member.refs}
        if not waited:
            time.sleep(timeout_s)  # all have gone, and none has come yet
        else:
            ready, _ = ray.wait(list(waited), num_returns=1, timeout=timeout_s)
            if ready:
                ready, _ = ray.wait(list(waited), num_returns=len(waited), timeout=0)
            for ref in ready:
                self._settle(waited[ref], ref)
        self._poll()
        finished, self._finished = self._finished, []
        return finished

    @property
    def notice(self) -> str:
        """What a person should know when no replica comes up; empty while all is well."""
        waited_s = time.monotonic() - self._started_at
        if any(member.is_ready for member in self._members) or self.num_deaths or waited_s < STARTING_TOO_LONG_S:
            return ""
        return f"no replica has started in {waited_s:.0f} s: {self._crew.wanting()}"

    def states(self) -> list[ReplicaState]:
        """Every replica as it was last seen."""
        return [member.state for member in self._members]

    def _muster(self) -> None:
        """Take in whoever has come."""
        for actor in self._crew.come():
            self._members.append(
                Member(self._num_joined, actor, actor.join.remote(self._job, self._config, self._store))
            )
            self._num_joined += 1

    def _next_task(self, shards: Iterator[Shard], *, is_alone: bool) -> Task | None:
        """What to speak next; a suspect only goes where it is alone, so that the next death has one cause."""
        for task in self._again:
            if is_alone or not task.is_suspect:
                self._again.remove(task)
                return task
        shard = next(shards, None)
        if shard is None:
            return None
        self._open[shard.id] = _OpenShard()
        return Task(shard, shard.utterances)

    def _send(self, member: Member, task: Task) -> None:
        # A part name is used once: what a dead or late attempt left behind can never be mistaken for this one.
        part = f"{task.shard.id}-{uuid.uuid4().hex[:8]}"
        member.tasks.append((member.actor.speak.remote(self._job, part, task.utterances), task))

    def _settle(self, member: Member, ref: Any) -> None:
        if member not in self._members:
            return  # it died a moment ago, and its tasks went with it
        try:
            answer: Any = ray.get(ref)
        except (JobError, RunStopped) as error:
            raise _cause(error) from error
        except RayTaskError as error:
            if ref == member.loading:
                raise ModelError(f"the model cannot be loaded: {_summary(error)}") from error
            self._bury(member, ref, error)
            return
        except RayError as error:
            self._bury(member, ref, error)
            return
        if ref == member.loading:
            member.loading, member.home = None, answer
            if answer.profile is not None:
                self.profiles[answer.profile.key.hardware] = answer.profile
        elif ref == member.polling:
            member.polling, member.progress = None, answer
        else:
            task = next(task for task_ref, task in member.tasks if task_ref == ref)
            member.tasks = deque(entry for entry in member.tasks if entry[0] != ref)
            member.rows_receipted += answer.num_ok + answer.num_failed
            member.audio_s_receipted += answer.audio_ms / 1000
            self._deaths_in_a_row = 0
            self._open[task.shard.id].receipts.append(answer)
            self._close_task(task.shard)

    def _bury(self, member: Member, ref: Any, error: Exception) -> None:
        """The replica is gone or not to be trusted: do without it, pass its tasks on."""
        self._members.remove(member)
        self._crew.lost(member.actor, self._job)
        self.num_deaths += 1
        is_preempted = isinstance(error, ActorDiedError) and error.preempted
        if not is_preempted:
            self._deaths_in_a_row += 1
        if self._deaths_in_a_row > MAX_DEATHS_IN_A_ROW + 3 * self._crew.size:
            raise ReplicasLost(
                f"{self._deaths_in_a_row} replicas died in a row without finishing a shard; the last one said: "
                f"{_summary(error)}"
            ) from error
        # Only what was being spoken can be to blame: the oldest task, or the one that raised.
        raised = [task for task_ref, task in member.tasks if task_ref == ref and isinstance(error, RayTaskError)]
        blamed = raised or [task for _, task in list(member.tasks)[:1]]
        for _, task in reversed(member.tasks):
            self._retry(task, _summary(error), is_blamed=task in blamed and not is_preempted)
        self._muster()

    def _retry(self, task: Task, cause: str, *, is_blamed: bool) -> None:
        outcome = after_death(task, cause, is_blamed=is_blamed)
        if isinstance(outcome, Poison):
            self._open[task.shard.id].poisoned.append(outcome)
            self._close_task(task.shard)
            return
        self._open[task.shard.id].num_open += len(outcome) - 1
        self._again.extendleft(reversed(outcome))

    def _close_task(self, shard: Shard) -> None:
        entry = self._open[shard.id]
        entry.num_open -= 1
        if entry.num_open == 0:
            del self._open[shard.id]
            self._finished.append(SpokenShard(shard, tuple(entry.receipts), tuple(entry.poisoned)))

    def _poll(self) -> None:
        now = time.monotonic()
        if now - self._polled_at < PROGRESS_EVERY_S:
            return
        self._polled_at = now
        for member in self._members:
            if member.is_ready and member.polling is None:
                member.polling = member.actor.progress.remote(self._job)


def _cause(error: Exception) -> Exception:
    """The error as the replica raised it, without Ray's wrapping and its remote traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def _summary(error: Exception) -> str:
    lines = [line.strip() for line in str(_cause(error)).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
