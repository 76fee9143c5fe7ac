"""The replicas of a run: the pool sends them tasks, watches them, and replaces those that die or fall silent.

Guaranteed: `collect` returns every shard that was fed exactly once, as receipts and poisoned rows that together hold
all its utterances, or it raises an error of the whole run. A replica's death costs the tasks that it held and nothing
else. The dispatcher decides which replica gets which task.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...actors.batcher.profile import Profile
from ...actors.batcher.sharing import CardUse
from ...actors.records.part import PartStore
from ...actors.records.utterance import Shard
from ...actors.replica.receipt import JobConfig, Receipt
from ...actors.replica.replica import ReplicaInfo
from ...errors import JobError, ReplicasLost, RunStopped
from ..scheduling.attempts import Attempt, ReplicaQueue
from ..scheduling.dispatcher import Dispatcher
from ..scheduling.liveness import LOOKED_S, PATIENT, Liveness, Timeouts
from ..scheduling.shard_tracker import CompletedShard
from .attempt_span import AttemptSpan
from .replica_handle import ReplicaHandle
from .replica_state import ReplicaState
from .replica_supervisor import ReplicaSupervisor, cause_of, is_preempted, loading_error, summary
from .stall_report import report

if TYPE_CHECKING:
    from .replica_source import ReplicaSource

__all__ = ["CompletedShard", "Pool"]


class Pool:
    """The replicas of one run. Use it as a context manager; leaving it ends the replicas, or returns borrowed ones.

    Attributes:
        profiles: Measured costs of batches, by the hardware of the replicas
        cards: What a replica takes of a GPU, likewise
    """

    def __init__(
        self,
        source: ReplicaSource,
        config: JobConfig,
        store: PartStore,
        limits: Timeouts = PATIENT,
        stamp: str = "",
    ) -> None:
        """`stamp`: the run's stamp in the names of parts, as in "r5f3a-7"."""
        self._limits = limits
        self._job = uuid.uuid4().hex[:12]
        self._replicas = ReplicaSupervisor(source, self._job)
        self._calls = source.transport
        self._config = self._calls.share(config)
        self._store = self._calls.share(store)
        self._handles: dict[int, ReplicaHandle] = {}
        self._dispatch = Dispatcher(
            lambda shard: "-".join(filter(None, (shard.id, stamp, uuid.uuid4().hex[:8]))), limits
        )
        self._num_joined = 0
        self._looked_at_s = time.monotonic()
        self._quiet_s = 0.0
        self._spans: list[AttemptSpan] = []
        self.profiles: dict[str, Profile] = {}
        self.cards: dict[str, CardUse] = {}
        """Measured costs of batches, by the hardware of the replicas."""

    def __enter__(self) -> Pool:
        self._admit_replicas()
        return self

    def __exit__(self, *_: object) -> None:
        self._replicas.end()
        for handle in self._handles.values():
            if handle.is_ready:
                self._dispatch.remove_replica(handle.number, "the run is over", is_blamed=False)
        self._handles.clear()

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits in the pool."""
        return self._dispatch.is_idle

    @property
    def num_deaths(self) -> int:
        """Number of replicas that died or were given up."""
        return self._replicas.num_deaths

    @property
    def num_copies(self) -> int:
        """Number of tasks that were sent to a second replica because it would end them sooner."""
        return self._dispatch.num_copies

    @property
    def wants_more(self) -> bool:
        """Whether `feed` should get shards: a replica is ready, and too few shards wait in the pool."""
        return self._dispatch.wants_more

    def feed(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Add shards, and send work to every ready replica.

        Args:
            is_all: These are the last shards; from now on the work is balanced between the replicas
        """
        if shards or is_all:
            self._dispatch.add(shards, is_all=is_all)
        for attempt in self._dispatch.send(time.monotonic()):
            handle = self._handles[attempt.replica]
            ref = handle.actor.speak.remote(self._job, attempt.part, attempt.in_flight.task.utterances)
            handle.speaking[attempt.part] = ref
            if len(handle.speaking) == 1:
                handle.liveness.record_movement()
        self._tell()

    def collect(self, timeout_s: float) -> list[CompletedShard]:
        """Wait for an answer of any replica, at most `timeout_s`, and return the shards that are complete.

        Raises:
            JobError: A replica has raised it
            RunStopped: A replica has raised it
            ReplicasLost: Too many replicas died in a row
        """
        self._admit_replicas()
        waited = {ref: handle for handle in self._handles.values() for ref in handle.refs}
        if not waited:
            time.sleep(timeout_s)  # all replicas are lost, and no new one has started
        else:
            for ref in self._calls.wait(list(waited), timeout_s):
                self._settle(waited[ref], ref)
        self._look()
        self._tell()
        return self._dispatch.finished()

    def finish(self, timeout_s: float) -> None:
        """Grace period for losing attempts to finish uploading, so that their objects can be swept."""
        until_s = time.monotonic() + timeout_s
        while any(handle.speaking for handle in self._handles.values()) and time.monotonic() < until_s:
            with contextlib.suppress(JobError, RunStopped, ReplicasLost):  # no row depends on them
                self.collect(0.1)

    def orphaned_parts(self) -> list[str]:
        """Names of parts that no manifest will name and no replica writes any more. Each is returned once.

        They come from attempts that ended second, from tasks taken back, and from replicas that died.
        """
        return self._dispatch.orphaned_parts()

    def spans(self) -> list[AttemptSpan]:
        """Attempts that have ended. Each is returned once."""
        spans, self._spans = self._spans, []
        return spans

    @property
    def notice(self) -> str:
        """A message to the user when the run does not make progress; else empty."""
        return report(self.states(), self._quiet_s, self._replicas.wanting, self._limits)

    def states(self) -> list[ReplicaState]:
        """Every replica as it was last seen."""
        now_s = time.monotonic()
        return [handle.state(now_s, self._expected_s(handle)) for handle in self._handles.values()]

    def _expected_s(self, handle: ReplicaHandle) -> float:
        return self._dispatch.expected_s(handle.queue.head) if handle.queue.head else 0.0

    def _keep_measured(self, home: ReplicaInfo) -> None:
        if home.profile is not None:
            self.profiles[home.profile.key.hardware] = home.profile
        if home.card is not None:
            self.cards[home.card.key.hardware] = home.card

    def _tell(self) -> None:
        for attempt in self._dispatch.drops():
            self._handles[attempt.replica].actor.drop.remote(self._job, attempt.part)
        for attempt in self._dispatch.hand_backs():
            self._handles[attempt.replica].actor.hand_back.remote(self._job, attempt.part)

    def _admit_replicas(self) -> None:
        """Add the replicas that have come since the last call."""
        for actor in self._replicas.admit():
            number = self._num_joined
            loading = actor.join.remote(self._job, self._config, self._store)
            self._handles[number] = ReplicaHandle(
                number, actor, loading, Liveness(time.monotonic()), ReplicaQueue(number)
            )
            self._num_joined += 1

    def _settle(self, handle: ReplicaHandle, ref: Any) -> None:
        if handle.number not in self._handles:
            return  # the replica was replaced a moment ago, and its tasks with it
        try:
            answer: Any = self._calls.answer(ref)
        except (JobError, RunStopped) as error:
            if (cause := cause_of(error)) is error:
                raise
            raise cause from error
        except self._calls.raised as error:
            if ref == handle.loading:
                raise loading_error(error) from error
            self._replace(handle, error, ref)
            return
        except self._calls.died as error:
            self._replace(handle, error)
            return
        if ref == handle.polling:
            handle.polling = None
            if handle.liveness.record_progress(answer):
                self._quiet_s = 0.0
            if handle.is_ready:
                self._dispatch.record_progress(handle.number, handle.share, time.monotonic())
            return
        self._quiet_s = 0.0
        handle.liveness.record_movement()
        if ref == handle.loading:
            handle.loading, handle.home = None, answer
            handle.queue = self._dispatch.add_replica(handle.number)
            self._keep_measured(answer)
            return
        part = next(part for part, speaking in handle.speaking.items() if speaking == ref)
        del handle.speaking[part]
        self._end_span(handle, handle.queue.attempts[part], _outcome(answer))
        if answer is not None:
            handle.receipted(answer)
            self._replicas.record_success()
        self._dispatch.record_receipt(handle.number, part, answer, time.monotonic())

    def _replace(self, handle: ReplicaHandle, error: Exception, ref: Any = None) -> None:
        """Give up a replica that is dead or at fault: its tasks go to other replicas, and a new one is started.

        Args:
            ref: Reference to the answer that raised, if one did
        """
        del self._handles[handle.number]
        self._replicas.give_up(handle.actor, error)
        self._quiet_s = 0.0
        self._replicas.check()
        for attempt in handle.queue.attempts.values():
            self._end_span(handle, attempt, "died")
        if handle.is_ready:
            raised = next((part for part, speaking in handle.speaking.items() if speaking == ref), None)
            self._dispatch.remove_replica(handle.number, summary(error), raised, is_blamed=not is_preempted(error))
        self._admit_replicas()

    def _end_span(self, handle: ReplicaHandle, attempt: Attempt, outcome: str) -> None:
        if outcome == "spoken" and (attempt.is_dropped or attempt.is_copy):
            outcome = "second" if attempt.is_dropped else "copy"
        home = f"{handle.home.host}:{handle.home.pid}" if handle.home else ""
        task = attempt.in_flight.task
        self._spans.append(
            AttemptSpan(
                handle.number,
                home,
                task.shard.id,
                attempt.part,
                len(task.utterances),
                attempt.sent_at_s,
                time.monotonic(),
                outcome,
            )
        )

    def _look(self) -> None:
        """Ask replicas for their progress, and give up those that do not answer or make no progress."""
        now_s = time.monotonic()
        elapsed_s = now_s - self._looked_at_s
        if elapsed_s < self._limits.ask_s:
            return
        self._looked_at_s = now_s
        self._quiet_s = self._quiet_s + min(elapsed_s, LOOKED_S) if not self.is_idle or not self._handles else 0.0
        for handle in self._handles.values():
            handle.liveness.record_time(elapsed_s, is_asked=handle.polling is not None, has_work=bool(handle.speaking))
            if handle.polling is None:
                handle.polling = handle.actor.progress.remote(self._job)
        for handle in list(self._handles.values()):
            if why := self._failure_reason(handle):
                self._replace(handle, ReplicasLost(why))
        self._drain(self._calls.draining())

    def _failure_reason(self, handle: ReplicaHandle) -> str:
        """Reason to replace the replica, or ""."""
        liveness, limits = handle.liveness, self._limits
        if liveness.is_frozen(limits, is_ready=handle.is_ready):
            return f"it did not answer for {liveness.silent_s:.0f} s"
        others = (m.liveness.still_s for m in self._handles.values() if m is not handle and m.speaking)
        if liveness.is_stuck(limits, self._expected_s(handle), min(others, default=float("inf"))):
            return f"it stood still for {liveness.still_s:.0f} s"
        return ""

    def _drain(self, nodes: dict[str, float]) -> None:
        for handle in self._handles.values():
            if handle.is_ready and handle.home is not None and handle.home.node in nodes:
                self._dispatch.drain(handle.number, nodes[handle.home.node], time.monotonic())


def _outcome(receipt: Receipt | None) -> str:
    if receipt is None:
        return "dropped"
    return "handed back" if receipt.left else "spoken"
