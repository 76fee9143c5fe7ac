"""Replicas as Ray actors: called up, told what to speak, watched, and replaced when they die or fall silent.

Guaranteed: every shard fed comes back exactly once from `collect`, as receipts and poisoned rows that together
hold all its utterances, or an error of the whole run is raised. A replica's death costs the tasks that it held and
nothing else. Not known here: where shards come from, what a receipt is good for, which replica gets what.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from ...actors.batcher.profile import Profile
from ...actors.records.part import PartStore
from ...actors.records.utterance import Shard
from ...actors.replica.receipt import Receipt, ReplicaConfig
from ...errors import JobError, ModelError, ReplicasLost, RunStopped
from ..scheduling.attempts import Errand, Queue
from ..scheduling.dispatcher import Dispatch
from ..scheduling.liveness import LOOKED_S, PATIENT, Limits, Pulse
from ..scheduling.shard_tracker import SpokenShard
from .attempt_span import Span
from .draining import draining_nodes
from .replica_handle import Member
from .replica_source import Crew
from .replica_state import ReplicaState
from .stall_report import report

__all__ = ["Pool", "SpokenShard"]

MAX_DEATHS_IN_A_ROW = 40
"""More than halving a shard of thousands of rows down to a poisonous one takes; fewer than a broken machine wastes."""


class Pool:
    """The replicas of one run. Use as a context manager; leaving it ends them, or gives them back."""

    def __init__(
        self, crew: Crew, config: ReplicaConfig, store: PartStore, limits: Limits = PATIENT, stamp: str = ""
    ) -> None:
        """`stamp`: the run's, for the names of parts, as in "r5f3a-7"."""
        self._crew = crew
        self._limits = limits
        self._job = uuid.uuid4().hex[:12]
        self._config = ray.put(config)
        self._store = ray.put(store)
        self._members: dict[int, Member] = {}
        self._dispatch = Dispatch(lambda shard: "-".join(filter(None, (shard.id, stamp, uuid.uuid4().hex[:8]))), limits)
        self._num_joined = 0
        self._deaths_in_a_row = 0
        self._looked_at_s = time.monotonic()
        self._quiet_s = self._away_s = 0.0
        self._spans: list[Span] = []
        self.num_deaths = 0
        self.profiles: dict[str, Profile] = {}
        """What replicas measured or knew of their batches' costs, by the hardware that they run on."""

    def __enter__(self) -> Pool:
        self._muster()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members.values():
            self._crew.end(member.actor, self._job)
            if member.is_ready:
                self._dispatch.died(member.number, "the run is over", is_blamed=False)
        self._members.clear()

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits here."""
        return self._dispatch.is_idle

    @property
    def num_copies(self) -> int:
        """Tasks that were given to a second replica because it would end them sooner."""
        return self._dispatch.num_copies

    def feed(self, shards: Iterator[Shard]) -> None:
        """Give every ready replica work; takes a few shards more than that, to see the end come."""
        for errand in self._dispatch.feed(shards, time.monotonic()):
            member = self._members[errand.replica]
            ref = member.actor.speak.remote(self._job, errand.part, errand.flight.task.utterances)
            member.speaking[errand.part] = ref
            if len(member.speaking) == 1:
                member.pulse.moved()
        self._tell()

    def collect(self, timeout_s: float) -> list[SpokenShard]:
        """Wait until something happens, at most `timeout_s`; the shards that are done.

        Raises JobError and RunStopped from a replica, and ReplicasLost when they die without getting anywhere.
        """
        self._muster()
        waited = {ref: member for member in self._members.values() for ref in member.refs}
        if not waited:
            time.sleep(timeout_s)  # all have gone, and none has come yet
        else:
            ready, _ = ray.wait(list(waited), num_returns=1, timeout=timeout_s)
            if ready:
                ready, _ = ray.wait(list(waited), num_returns=len(waited), timeout=0)
            for ref in ready:
                self._settle(waited[ref], ref)
        self._look()
        self._tell()
        return self._dispatch.finished()

    def finish(self, timeout_s: float) -> None:
        """Wait for attempts that came second, at most so long: what they store late, no sweep would find."""
        until_s = time.monotonic() + timeout_s
        while any(member.speaking for member in self._members.values()) and time.monotonic() < until_s:
            with contextlib.suppress(JobError, RunStopped, ReplicasLost):  # nobody's row hangs on them
                self.collect(0.1)

    def litter(self) -> list[str]:
        """Names of parts that no manifest will ever name and that are written no more, each given once.

        They are those of copies that came second, of tasks taken back, and of replicas that died.
        """
        return self._dispatch.litter()

    def spans(self) -> list[Span]:
        """Attempts that have ended, each given once."""
        spans, self._spans = self._spans, []
        return spans

    @property
    def notice(self) -> str:
        """What a person should know when the run does not get on; empty while all is well."""
        return report(self.states(), self._quiet_s, self._away_s, self._crew.wanting, self._limits)

    def states(self) -> list[ReplicaState]:
        """Every replica as it was last seen."""
        now_s = time.monotonic()
        return [member.state(now_s, self._expected_s(member)) for member in self._members.values()]

    def _expected_s(self, member: Member) -> float:
        return self._dispatch.expected_s(member.queue.head) if member.queue.head else 0.0

    def _tell(self) -> None:
        for errand in self._dispatch.drops():
            self._members[errand.replica].actor.drop.remote(self._job, errand.part)
        for errand in self._dispatch.hand_backs():
            self._members[errand.replica].actor.hand_back.remote(self._job, errand.part)

    def _muster(self) -> None:
        """Take in whoever has come."""
        for actor in self._crew.come():
            number = self._num_joined
            loading = actor.join.remote(self._job, self._config, self._store)
            self._members[number] = Member(number, actor, loading, Pulse(time.monotonic()), Queue(number))
            self._num_joined += 1

    def _settle(self, member: Member, ref: Any) -> None:
        if member.number not in self._members:
            return  # it died a moment ago, and its tasks went with it
        try:
            answer: Any = ray.get(ref)
        except (JobError, RunStopped) as error:
            raise _cause(error) from error
        except RayTaskError as error:
            if ref == member.loading:
                raise ModelError(f"the model cannot be loaded: {_summary(error)}") from error
            self._bury(member, error, ref)
            return
        except RayError as error:
            self._bury(member, error)
            return
        if ref == member.polling:
            member.polling = None
            if member.pulse.answered(answer):
                self._quiet_s = 0.0
            if member.is_ready:
                self._dispatch.seen(member.number, member.share, time.monotonic())
            return
        self._quiet_s = 0.0
        member.pulse.moved()
        if ref == member.loading:
            member.loading, member.home = None, answer
            member.queue = self._dispatch.joined(member.number)
            if answer.profile is not None:
                self.profiles[answer.profile.key.hardware] = answer.profile
            return
        part = next(part for part, speaking in member.speaking.items() if speaking == ref)
        del member.speaking[part]
        self._end_span(member, member.queue.errands[part], _outcome(answer))
        if answer is not None:
            member.receipted(answer)
            self._deaths_in_a_row = 0
        self._dispatch.handed_in(member.number, part, answer, time.monotonic())

    def _bury(self, member: Member, error: Exception, ref: Any = None) -> None:
        """The replica is gone or not to be trusted: do without it, pass its tasks on.

        ref   the answer that raised, if one did
        """
        del self._members[member.number]
        self._crew.lost(member.actor, self._job)
        self.num_deaths += 1
        self._quiet_s = 0.0
        is_preempted = isinstance(error, ActorDiedError) and error.preempted
        if not is_preempted:
            self._deaths_in_a_row += 1
        if self._deaths_in_a_row > MAX_DEATHS_IN_A_ROW + 3 * self._crew.size:
            raise ReplicasLost(
                f"{self._deaths_in_a_row} replicas died in a row without finishing a shard; the last one said: "
                f"{_summary(error)}"
            ) from error
        for errand in member.queue.errands.values():
            self._end_span(member, errand, "died")
        if member.is_ready:
            raised = next((part for part, speaking in member.speaking.items() if speaking == ref), None)
            self._dispatch.died(member.number, _summary(error), raised, is_blamed=not is_preempted)
        self._muster()

    def _end_span(self, member: Member, errand: Errand, outcome: str) -> None:
        if outcome == "spoken" and (errand.is_dropped or errand.is_copy):
            outcome = "second" if errand.is_dropped else "copy"
        home = f"{member.home.host}:{member.home.pid}" if member.home else ""
        task = errand.flight.task
        self._spans.append(
            Span(
                member.number,
                home,
                task.shard.id,
                errand.part,
                len(task.utterances),
                errand.sent_at_s,
                time.monotonic(),
                outcome,
            )
        )

    def _look(self) -> None:
        """Ask replicas how far they are, and give up those that say nothing or get on with nothing."""
        now_s = time.monotonic()
        elapsed_s = now_s - self._looked_at_s
        if elapsed_s < self._limits.ask_s:
            return
        self._looked_at_s, self._away_s = now_s, elapsed_s
        self._quiet_s = self._quiet_s + min(elapsed_s, LOOKED_S) if not self.is_idle or not self._members else 0.0
        for member in self._members.values():
            member.pulse.looked(elapsed_s, is_asked=member.polling is not None, has_work=bool(member.speaking))
            if member.polling is None:
                member.polling = member.actor.progress.remote(self._job)
        for member in list(self._members.values()):
            if why := self._grievance(member):
                self._bury(member, ReplicasLost(why))
        self._drain(draining_nodes())

    def _grievance(self, member: Member) -> str:
        """Why a replica is to be given up; empty for one that is well."""
        pulse, limits = member.pulse, self._limits
        if pulse.is_frozen(limits, is_ready=member.is_ready):
            return f"it did not answer for {pulse.silent_s:.0f} s"
        others = (m.pulse.still_s for m in self._members.values() if m is not member and m.speaking)
        if pulse.is_stuck(limits, self._expected_s(member), min(others, default=float("inf"))):
            return f"it stood still for {pulse.still_s:.0f} s"
        return ""

    def _drain(self, nodes: dict[str, float]) -> None:
        for member in self._members.values():
            if member.is_ready and member.home is not None and member.home.node in nodes:
                self._dispatch.drain(member.number, nodes[member.home.node], time.monotonic())


def _outcome(receipt: Receipt | None) -> str:
    if receipt is None:
        return "dropped"
    return "handed back" if receipt.left else "spoken"


def _cause(error: Exception) -> Exception:
    """The error as the replica raised it, without Ray's wrapping and its remote traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def _summary(error: Exception) -> str:
    lines = [line.strip() for line in str(_cause(error)).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
