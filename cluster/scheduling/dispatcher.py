"""Which replica speaks what, and which attempt counts. Pure: time and the names of parts are passed in.

Guaranteed: every shard taken comes back exactly once, as receipts and poisoned rows that together hold its rows. While
there is work, every replica has one task to speak and one waiting. When nothing is left to hand out, an idle replica
gets the task that would end last, if it ends it sooner: as a copy where it is being spoken, taken away where it still
waits. The first receipt of a task counts, the others' parts are litter. A task has two attempts at most, and one that
a replica died of has one: a death has one possible cause. Not known here: Ray, how a replica is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ...actors.records.utterance import Shard
from ...actors.replica.receipt import Receipt
from .attempts import Errand, Flight, Queue
from .liveness import PATIENT, Limits
from .retry import Poison, Task, after_death
from .shard_tracker import OpenShards, SpokenShard
from .speed import Paces, remaining_s
from .task_queue import Backlog

TASKS_IN_FLIGHT = 2
"""One being spoken, one waiting behind it: the replica never waits for the driver."""

SHARDS_AHEAD = 2
"""Shards looked ahead at, for each replica: enough to even out what the slowest holds."""

GAIN = 0.8
"""A copy has to end within this part of the time that the task would still take where it is."""

SLOW = 1.25
"""Times the typical pace: a replica that needs more is slow."""

LEAST_SHARE = 0.05
"""Of a task: below it nobody can tell how fast it goes."""


IN_TIME = 0.5
"""Of the time that a node has left, a task has to be done in this part: estimates are off, and clips want storing."""


class Dispatch:
    """The work of one run and its replicas.

    new_part   a name for a part of this shard, never given before: what a dead or late attempt leaves behind can never
               be mistaken for another
    """

    def __init__(self, new_part: Callable[[Shard], str], limits: Limits = PATIENT) -> None:
        self._new_part = new_part
        self._limits = limits
        self._queues: dict[int, Queue] = {}
        self._backlog = Backlog()
        self._paces = Paces()
        self._open = OpenShards()
        self._dropped: list[Errand] = []
        self._handed_back: list[Errand] = []
        self._litter: list[str] = []
        self.num_copies = 0

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits."""
        return not self._open

    def joined(self, replica: int) -> Queue:
        """A replica is ready for work."""
        self._queues[replica] = Queue(replica)
        return self._queues[replica]

    def expected_s(self, errand: Errand) -> float:
        """Seconds that its replica is expected to take for it."""
        return errand.flight.task.cost_s * self._paces.of(errand.replica)

    def feed(self, shards: Iterator[Shard], now_s: float) -> list[Errand]:
        """What is to be sent now."""
        willing = [queue for queue in self._queues.values() if not queue.is_draining]
        willing.sort(key=lambda queue: self._paces.of(queue.replica))
        all_speeds = sum(1 / self._paces.of(queue.replica) for queue in willing)
        urgent = self._rebalance(willing, all_speeds, now_s) if self._backlog.is_all_seen else []
        sent: list[Errand] = []
        for depth in range(TASKS_IN_FLIGHT):
            for queue in willing:
                if len(queue.errands) <= depth and not queue.is_quarantined:
                    for shard in self._backlog.look_ahead(shards, SHARDS_AHEAD * len(willing)):
                        self._open.add(shard)
                    if urgent and urgent[0].replica != queue.replica:
                        sent.append(self._send(queue, urgent.pop(0).flight, now_s))
                    elif task := self._next_task(queue, all_speeds):
                        sent.append(self._send(queue, Flight(task), now_s))
        sent += [copy for queue in willing if not queue.errands and (copy := self._copy(queue, now_s))]
        return sent

    def seen(self, replica: int, share: float, now_s: float) -> None:
        """So much of what a replica speaks is seen to be done, 0 … 1."""
        queue = self._queues[replica]
        if queue.head is not None:
            queue.share = share
            if share >= LEAST_SHARE:
                self._paces.seen(replica, share * queue.head.flight.task.cost_s, now_s - queue.since_s)

    def handed_in(self, replica: int, part: str, receipt: Receipt | None, now_s: float) -> None:
        """A replica has answered; None: it has spoken nothing, or not to the end, because it was told so."""
        errand, spent_s = self._queues[replica].remove(part, now_s, has_spoken=receipt is not None)
        flight = errand.flight
        if errand.is_dropped:
            self._litter.append(part)
            return
        del flight.attempts[part]
        if receipt is None:  # nobody told it so: it has left the job and come again
            self._litter.append(part)
            self._retry(flight, "", is_blamed=False)
            return
        rest = flight.task.left(frozenset(receipt.left)) if receipt.left else None
        self._paces.took(replica, flight.task.cost_s - (rest.cost_s if rest else 0.0), spent_s)
        if rest is not None:
            self._open.cut(flight.task.shard, 1)
            self._backlog.put_back([rest])
        for other in list(flight.attempts.values()):
            self._drop(other)
        self._open.close(flight.task.shard, receipt)

    def died(self, replica: int, cause: str, raised: str | None = None, *, is_blamed: bool = True) -> None:
        """A replica is gone; what it held is tried again.

        raised      the part whose speaking raised; None: what was being spoken is to blame
        is_blamed   whether a row may be the cause: the machine was not taken away
        """
        queue = self._queues.pop(replica)
        self._paces.gone(replica)
        guilty = raised or (queue.head.part if queue.head else "")
        for errand in reversed(queue.errands.values()):
            self._litter.append(errand.part)
            if not errand.is_dropped:
                del errand.flight.attempts[errand.part]
                self._retry(errand.flight, cause, is_blamed=is_blamed and errand.part == guilty)

    def drain(self, replica: int, left_s: float, now_s: float) -> None:
        """Its node goes away in `left_s` seconds: it gets nothing new, and what waits there goes to others.

        What it speaks it speaks to the end, if that is in time; else it hands back what it has not done. To be called
        again while the node is there.
        """
        queue = self._queues[replica]
        queue.is_draining = True
        head = queue.head
        if head is not None and len(head.flight.attempts) == 1 and not (head.is_dropped or head.is_handed_back):
            remaining = remaining_s(self.expected_s(head), now_s - queue.since_s, queue.share)
            if remaining > IN_TIME * left_s:
                head.is_handed_back = True
                self._handed_back.append(head)
        for errand in list(queue.errands.values())[1:]:
            if not errand.is_dropped:
                self._drop(errand)
                self._retry(errand.flight, "", is_blamed=False)

    def drops(self) -> list[Errand]:
        """Attempts that nobody wants any more, each given once: their replicas are to be told."""
        dropped, self._dropped = self._dropped, []
        return [e for e in dropped if e.replica in self._queues and e.part in self._queues[e.replica].errands]

    def hand_backs(self) -> list[Errand]:
        """Attempts of which no more is to be spoken, each given once: their replicas are to be told."""
        handed_back, self._handed_back = self._handed_back, []
        return [errand for errand in handed_back if errand.replica in self._queues]

    def finished(self) -> list[SpokenShard]:
        """Shards that are done, each given once."""
        return self._open.finished()

    def litter(self) -> list[str]:
        """Parts that no manifest will name and nobody writes any more, each named once."""
        litter, self._litter = self._litter, []
        return litter

    def _rebalance(self, willing: list[Queue], all_speeds: float, now_s: float) -> list[Errand]:
        """Take back what waits at slow replicas until long after all else could be done; what they speak until then."""
        ends = {queue.replica: list(self._ends(queue, now_s)) for queue in willing}
        held_s = sum(end[-1][0] / self._paces.of(replica) for replica, end in ends.items() if end)
        all_s = (self._backlog.left_s + held_s) / max(all_speeds, 1e-9)
        urgent: list[Errand] = []
        for replica, end in ends.items():
            if self._paces.of(replica) < SLOW * self._paces.typical:
                continue
            for end_s, errand, is_spoken in end:
                task = errand.flight.task
                if not errand.flight.may_be_copied or end_s <= all_s + self.expected_s(errand) / 2:
                    continue
                if not is_spoken:
                    self._drop(errand)
                    self._retry(errand.flight, "", is_blamed=False)
                elif all_s / 2 <= task.cost_s * self._paces.typical < GAIN * end_s:
                    urgent.append(errand)
        return urgent

    def _next_task(self, queue: Queue, all_speeds: float) -> Task | None:
        pace = self._paces.of(queue.replica)
        found = self._backlog.take(1 / pace / all_speeds, pace, is_alone=not queue.errands)
        if found is None:
            return None
        task, was_cut = found
        self._open.cut(task.shard, int(was_cut))
        return task

    def _send(self, queue: Queue, flight: Flight, now_s: float) -> Errand:
        part = self._new_part(flight.task.shard)
        errand = Errand(part, queue.replica, flight, now_s, is_copy=bool(flight.attempts))
        self.num_copies += errand.is_copy
        queue.add(errand)
        flight.attempts[part] = errand
        return errand

    def _copy(self, idle: Queue, now_s: float) -> Errand | None:
        """The task that would end last, sent to an idle replica that ends it sooner."""
        pace = self._paces.of(idle.replica)
        found = [
            (end_s, errand, is_spoken)
            for queue in self._queues.values()
            for end_s, errand, is_spoken in self._ends(queue, now_s)
            if errand.flight.may_be_copied and errand.flight.task.cost_s * pace < GAIN * end_s
        ]
        if not found:
            return None
        _, errand, is_spoken = max(found, key=lambda entry: entry[0])
        copy = self._send(idle, errand.flight, now_s)
        if not is_spoken:
            self._drop(errand)
        return copy

    def _ends(self, queue: Queue, now_s: float) -> Iterator[tuple[float, Errand, bool]]:
        """In how many seconds each task of a replica is expected to end, and whether it is being spoken."""
        end_s, elapsed_s, head = 0.0, now_s - queue.since_s, queue.head
        for errand in queue.errands.values():
            expected_s = self.expected_s(errand)
            if errand is head:
                end_s += remaining_s(expected_s, elapsed_s, queue.share)
            elif not errand.is_dropped:
                end_s += expected_s
            # What a model says of itself may be far off; before anything is known, only standing still counts.
            is_credible = errand is not head or self._paces.is_known or elapsed_s > self._limits.still_s(expected_s)
            if is_credible and not errand.is_dropped:
                yield end_s, errand, errand is head

    def _drop(self, errand: Errand) -> None:
        """From here on it cannot count, whatever comes of it."""
        errand.is_dropped = True
        del errand.flight.attempts[errand.part]
        self._dropped.append(errand)

    def _retry(self, flight: Flight, cause: str, *, is_blamed: bool) -> None:
        task = flight.task
        if flight.attempts:  # another replica is at it
            flight.task = replace(task, deaths=task.deaths + is_blamed)
            return
        outcome = after_death(task, cause, is_blamed=is_blamed)
        if isinstance(outcome, Poison):
            self._open.close(task.shard, outcome)
            return
        self._open.cut(task.shard, len(outcome) - 1)
        self._backlog.put_back(outcome)
