"""Assigns tasks to replicas, and decides which attempt counts. Pure: time and the names of parts are passed in.

Guaranteed: every shard that was added comes back exactly once, as receipts and poisoned rows that together hold its
rows. While there is work, every replica speaks one task and has one waiting. When no task is left to hand out, an idle
replica gets the task that would end last, if it would end it sooner: a running task is copied, a waiting one is moved.
The first receipt of a task counts; the parts of other attempts are orphans. A task has at most two attempts, and one
after a replica died of it, so that a death has one possible cause. The pool sends the tasks to the replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ...actors.records.utterance import Shard
from ...actors.replica.receipt import Receipt
from .attempts import Attempt, InFlightTask, ReplicaQueue
from .liveness import PATIENT, Timeouts
from .retry import PoisonRow, Task, after_death
from .shard_tracker import CompletedShard, ShardTracker
from .speed import SpeedEstimates, remaining_s
from .task_queue import TaskQueue

TASKS_IN_FLIGHT = 2
"""One task runs and one waits behind it, so that the replica never waits for the driver."""

SHARDS_AHEAD = 2
"""Shards that wait in the queue for each replica: enough to even out the tasks of the slowest one."""

GAIN = 0.8
"""A copy has to end within this share of the time that the running attempt would still take."""

SLOW = 1.25
"""A replica is slow if it needs more than this times the typical seconds per estimated second."""

LEAST_SHARE = 0.05
"""Share of a task below which its speed cannot be told."""


IN_TIME = 0.5
"""A task has to end within this share of the time left to its node: estimates are off, and clips have to be stored."""


class Dispatcher:
    """The work of one run and its replicas.

    Args:
        new_part: Returns a new, unique name for a part of a shard, so that the objects of a dead or late attempt cannot
            be mistaken for another's.
    """

    def __init__(self, new_part: Callable[[Shard], str], limits: Timeouts = PATIENT) -> None:
        self._new_part = new_part
        self._limits = limits
        self._queues: dict[int, ReplicaQueue] = {}
        self._task_queue = TaskQueue()
        self._speeds = SpeedEstimates()
        self._open = ShardTracker()
        self._dropped: list[Attempt] = []
        self._handed_back: list[Attempt] = []
        self._orphaned_parts: list[str] = []
        self.num_copies = 0

    @property
    def is_idle(self) -> bool:
        """Whether no shard is out or waits."""
        return not self._open

    def add_replica(self, replica: int) -> ReplicaQueue:
        """Add a replica that is ready for work."""
        self._queues[replica] = ReplicaQueue(replica)
        return self._queues[replica]

    def expected_s(self, attempt: Attempt) -> float:
        """Seconds that the attempt's replica is expected to take for it."""
        return attempt.in_flight.task.cost_s * self._speeds.of(attempt.replica)

    @property
    def wants_more(self) -> bool:
        """Whether more shards should be added.

        Enough shards have to wait to even out the tasks of the slowest replica, also after `send` has given work to
        every replica: the last shards must not be handed out whole.
        """
        willing = self._willing()
        num_free = sum(max(0, TASKS_IN_FLIGHT - len(queue.attempts)) for queue in willing)
        return bool(willing) and self._task_queue.wants(SHARDS_AHEAD * len(willing) + num_free)

    def add(self, shards: Sequence[Shard], *, is_all: bool = False) -> None:
        """Add shards to be spoken.

        Args:
            shards: Those of a window.
            is_all: These are the last shards; from now on the work is balanced between the replicas.
        """
        for shard in shards:
            self._open.add(shard)
        self._task_queue.add(shards, is_all=is_all)

    def send(self, now_s: float) -> list[Attempt]:
        """Attempts to be sent now."""
        willing = self._willing()
        willing.sort(key=lambda queue: self._speeds.of(queue.replica))
        all_speeds = sum(1 / self._speeds.of(queue.replica) for queue in willing)
        urgent = self._rebalance(willing, all_speeds, now_s) if self._task_queue.is_all_seen else []
        sent: list[Attempt] = []
        for depth in range(TASKS_IN_FLIGHT):
            for queue in willing:
                if len(queue.attempts) <= depth and not queue.is_quarantined:
                    if urgent and urgent[0].replica != queue.replica:
                        sent.append(self._send(queue, urgent.pop(0).in_flight, now_s))
                    elif task := self._next_task(queue, all_speeds):
                        sent.append(self._send(queue, InFlightTask(task), now_s))
        sent += [copy for queue in willing if not queue.attempts and (copy := self._copy(queue, now_s))]
        return sent

    def _willing(self) -> list[ReplicaQueue]:
        return [queue for queue in self._queues.values() if not queue.is_draining]

    def record_progress(self, replica: int, share: float, now_s: float) -> None:
        """Record the observed progress (0 to 1) of a replica's running task."""
        queue = self._queues[replica]
        if queue.head is not None:
            queue.share = share
            if share >= LEAST_SHARE:
                self._speeds.record_progress(replica, share * queue.head.in_flight.task.cost_s, now_s - queue.since_s)

    def record_receipt(self, replica: int, part: str, receipt: Receipt | None, now_s: float) -> None:
        """Record the answer of a replica; None: the attempt was dropped, and none of its rows count."""
        attempt, spent_s = self._queues[replica].remove(part, now_s, has_spoken=receipt is not None)
        in_flight = attempt.in_flight
        if attempt.is_dropped:
            self._orphaned_parts.append(part)
            return
        del in_flight.attempts[part]
        if receipt is None:  # it was not dropped from here: the replica has left the job and joined it again
            self._orphaned_parts.append(part)
            self._retry(in_flight, "", is_blamed=False)
            return
        rest = in_flight.task.left(frozenset(receipt.left)) if receipt.left else None
        self._speeds.record_task(replica, in_flight.task.cost_s - (rest.cost_s if rest else 0.0), spent_s)
        if rest is not None:
            self._open.cut(in_flight.task.shard, 1)
            self._task_queue.put_back([rest])
        for other in list(in_flight.attempts.values()):
            self._drop(other)
        self._open.close(in_flight.task.shard, receipt)

    def remove_replica(self, replica: int, cause: str, raised: str | None = None, *, is_blamed: bool = True) -> None:
        """Remove a replica that died; its tasks are tried again.

        Args:
            replica: Its number.
            cause: The cause of its death, in words.
            raised: The part whose call raised; None: the running task is blamed.
            is_blamed: Whether a row may be the cause of the death; False if the machine was taken away.
        """
        queue = self._queues.pop(replica)
        self._speeds.remove(replica)
        guilty = raised or (queue.head.part if queue.head else "")
        for attempt in reversed(queue.attempts.values()):
            self._orphaned_parts.append(attempt.part)
            if not attempt.is_dropped:
                del attempt.in_flight.attempts[attempt.part]
                self._retry(attempt.in_flight, cause, is_blamed=is_blamed and attempt.part == guilty)

    def drain(self, replica: int, left_s: float, now_s: float) -> None:
        """Send a replica no new task, because its node goes away in `left_s` seconds; its waiting task goes to another.

        The running task continues if it will end in time; else the replica hands back the rows that are not done. Call
        this again and again while the node is there.
        """
        queue = self._queues[replica]
        queue.is_draining = True
        head = queue.head
        if head is not None and len(head.in_flight.attempts) == 1 and not (head.is_dropped or head.is_handed_back):
            remaining = remaining_s(self.expected_s(head), now_s - queue.since_s, queue.share)
            if remaining > IN_TIME * left_s:
                head.is_handed_back = True
                self._handed_back.append(head)
        for attempt in list(queue.attempts.values())[1:]:
            if not attempt.is_dropped:
                self._drop(attempt)
                self._retry(attempt.in_flight, "", is_blamed=False)

    def drops(self) -> list[Attempt]:
        """Attempts that their replicas should drop, because they cannot count. Each is returned once."""
        dropped, self._dropped = self._dropped, []
        return [e for e in dropped if e.replica in self._queues and e.part in self._queues[e.replica].attempts]

    def hand_backs(self) -> list[Attempt]:
        """Attempts whose replicas should hand back unfinished rows. Each is returned once."""
        handed_back, self._handed_back = self._handed_back, []
        return [attempt for attempt in handed_back if attempt.replica in self._queues]

    def finished(self) -> list[CompletedShard]:
        """Completed shards. Each is returned once."""
        return self._open.finished()

    def orphaned_parts(self) -> list[str]:
        """Parts that no manifest will name and no replica writes any more. Each is returned once."""
        orphaned_parts, self._orphaned_parts = self._orphaned_parts, []
        return orphaned_parts

    def _rebalance(self, willing: list[ReplicaQueue], all_speeds: float, now_s: float) -> list[Attempt]:
        """Take waiting tasks from slow replicas that would start them too late.

        Returns:
            Attempts that slow replicas speak now and would end too late, to be copied
        """
        ends = {queue.replica: list(self._ends(queue, now_s)) for queue in willing}
        held_s = sum(end[-1][0] / self._speeds.of(replica) for replica, end in ends.items() if end)
        all_s = (self._task_queue.left_s + held_s) / max(all_speeds, 1e-9)
        urgent: list[Attempt] = []
        for replica, end in ends.items():
            if self._speeds.of(replica) < SLOW * self._speeds.typical:
                continue
            for end_s, attempt, is_spoken in end:
                task = attempt.in_flight.task
                if not attempt.in_flight.may_be_copied or end_s <= all_s + self.expected_s(attempt) / 2:
                    continue
                if not is_spoken:
                    self._drop(attempt)
                    self._retry(attempt.in_flight, "", is_blamed=False)
                elif all_s / 2 <= task.cost_s * self._speeds.typical < GAIN * end_s:
                    urgent.append(attempt)
        return urgent

    def _next_task(self, queue: ReplicaQueue, all_speeds: float) -> Task | None:
        pace = self._speeds.of(queue.replica)
        found = self._task_queue.take(1 / pace / all_speeds, pace, is_alone=not queue.attempts)
        if found is None:
            return None
        task, was_cut = found
        self._open.cut(task.shard, int(was_cut))
        return task

    def _send(self, queue: ReplicaQueue, in_flight: InFlightTask, now_s: float) -> Attempt:
        part = self._new_part(in_flight.task.shard)
        attempt = Attempt(part, queue.replica, in_flight, now_s, is_copy=bool(in_flight.attempts))
        self.num_copies += attempt.is_copy
        queue.add(attempt)
        in_flight.attempts[part] = attempt
        return attempt

    def _copy(self, idle: ReplicaQueue, now_s: float) -> Attempt | None:
        """Send the task that would end last to an idle replica, if that would end it sooner."""
        pace = self._speeds.of(idle.replica)
        found = [
            (end_s, attempt, is_spoken)
            for queue in self._queues.values()
            for end_s, attempt, is_spoken in self._ends(queue, now_s)
            if attempt.in_flight.may_be_copied and attempt.in_flight.task.cost_s * pace < GAIN * end_s
        ]
        if not found:
            return None
        _, attempt, is_spoken = max(found, key=lambda entry: entry[0])
        copy = self._send(idle, attempt.in_flight, now_s)
        if not is_spoken:
            self._drop(attempt)
        return copy

    def _ends(self, queue: ReplicaQueue, now_s: float) -> Iterator[tuple[float, Attempt, bool]]:
        """For each task of a replica: seconds until it is expected to end, the attempt, whether it is running."""
        end_s, elapsed_s, head = 0.0, now_s - queue.since_s, queue.head
        for attempt in queue.attempts.values():
            expected_s = self.expected_s(attempt)
            if attempt is head:
                end_s += remaining_s(expected_s, elapsed_s, queue.share)
            elif not attempt.is_dropped:
                end_s += expected_s
            # A model's own estimates may be far off: before any task was measured, only a lack of progress counts.
            is_credible = attempt is not head or self._speeds.is_known or elapsed_s > self._limits.still_s(expected_s)
            if is_credible and not attempt.is_dropped:
                yield end_s, attempt, attempt is head

    def _drop(self, attempt: Attempt) -> None:
        """Drop an attempt: its receipt cannot count any more."""
        attempt.is_dropped = True
        del attempt.in_flight.attempts[attempt.part]
        self._dropped.append(attempt)

    def _retry(self, in_flight: InFlightTask, cause: str, *, is_blamed: bool) -> None:
        task = in_flight.task
        if in_flight.attempts:  # another replica speaks it
            in_flight.task = replace(task, deaths=task.deaths + is_blamed)
            return
        outcome = after_death(task, cause, is_blamed=is_blamed)
        if isinstance(outcome, PoisonRow):
            self._open.close(task.shard, outcome)
            return
        self._open.cut(task.shard, len(outcome) - 1)
        self._task_queue.put_back(outcome)
