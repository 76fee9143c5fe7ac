"""Manifests on their way into the store: a few threads write them, so that the driver need not wait for each.

Guaranteed: the lease is checked right before each object; a part's objects are written in their order, the manifest
last; `stored` names a part once, after its manifest is in the store, and raises the first error of any write, after
which no write is begun. Parts are independent of each other and may be stored in any order.
Deliberately not known: what rows mean. How much waits is bounded by the caller, who asks `has_room`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ..actors.manifest import PartName
from ..cluster.storage import Storage
from ..errors import JobError, RunStopped
from .progress import Totals

logger = logging.getLogger(__name__)

NUM_THREADS = 8
MAX_WAITING = 256
MAX_WAITING_BYTES = 64 << 20
SLOW_S = 10.0
"""A part that waits longer is worth a notice."""
CLOSE_S = 5.0
"""So long what waits may still be written when a run is interrupted."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A part to be stored.

    objects  keys and contents, in the order in which they are written; the manifest is the last
    cost_s   estimated seconds on one replica
    """

    name: PartName
    objects: tuple[tuple[str, bytes], ...]
    cost_s: float = 0.0

    @property
    def num_bytes(self) -> int:
        return sum(len(data) for _, data in self.objects)


class MayWrite(Protocol):
    """A lease, as far as a writer needs one."""

    def check(self) -> None:
        """Raise LeaseLost if another driver may write by now."""
        ...


class Committer:
    """Writes the parts of one output. One thread adds and asks; leaving the `with` block ends the writing."""

    def __init__(self, storage: Storage, lease: MayWrite, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self.lease = lease
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Commit] = deque()
        self._errands: deque[Callable[[], None]] = deque()
        self._num_errands = 0
        self._stored: list[Commit] = []
        self._error: BaseException | None = None
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._pending: dict[str, tuple[Commit, float]] = {}  # not yet told by `stored`; of the caller's thread alone

    def add(self, commit: Commit) -> None:
        """Have a part stored soon."""
        self._pending[commit.name.key] = commit, self._clock()
        with self._changed:
            self._waiting.append(commit)
            self._wake()

    def later(self, errand: Callable[[], None]) -> None:
        """Have something done when no part waits. Raised JobError and RunStopped are nobody's business."""
        with self._changed:
            self._errands.append(errand)
            self._num_errands += 1
            self._wake()

    def _wake(self) -> None:
        if len(self._threads) < min(NUM_THREADS, len(self._pending) + self._num_errands):
            # A daemon: a store that hangs must not keep the process from ending.
            self._threads.append(threading.Thread(target=self._work, name="commit", daemon=True))
            self._threads[-1].start()
        self._changed.notify_all()

    @property
    def is_idle(self) -> bool:
        """Whether all that was added is stored, and told, and no errand is left."""
        return not self._pending and not self._num_errands

    @property
    def has_room(self) -> bool:
        """Whether more may be added."""
        num_bytes = sum(commit.num_bytes for commit, _ in self._pending.values())
        return len(self._pending) < MAX_WAITING and num_bytes < MAX_WAITING_BYTES

    @property
    def pending(self) -> tuple[Totals, float]:
        """Rows and audio that were added and are not told to be stored, and their cost in seconds."""
        totals, cost_s = Totals(), 0.0
        for commit, _ in self._pending.values():
            totals = totals.plus(commit.name.num_ok, commit.name.num_failed, commit.name.audio_ms / 1000)
            cost_s += commit.cost_s
        return totals, cost_s

    @property
    def notice(self) -> str:
        """What a person should know while the store takes nothing; empty while all is well."""
        if not self._pending:
            return ""
        key, (_, since_s) = next(iter(self._pending.items()))
        waited_s = self._clock() - since_s
        if waited_s < SLOW_S:
            return ""
        return (
            f"waiting for the store for {waited_s:.0f} s: it has not taken {key}; {len(self._pending)} manifests with "
            f"{self.pending[0].num_rows} rows wait. See that output.uri is near and well; a request is tried "
            "output.s3.max_attempts times, in output.s3.timeout_s"
        )

    def stored(self, timeout_s: float = 0.0) -> list[Commit]:
        """The parts that were stored since the last call; waits for one, at most so long, if there is none.

        Raises what a write raised: JobError, RunStopped.
        """
        with self._changed:
            if timeout_s:
                self._changed.wait_for(lambda: self._stored or self._error or self.is_idle, timeout_s)
            if self._error is not None:
                raise self._error
            stored, self._stored = self._stored, []
        for commit in stored:
            del self._pending[commit.name.key]
        return stored

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Let what waits be written, at most so long, and nothing after an error; the rest is spoken again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error or len(self._stored) == len(self._pending), timeout_s)
            num_left = len(self._pending) - len(self._stored)
            self._waiting.clear()
            self._errands.clear()
            if num_left and self._error is None:
                logger.warning("%d manifests were not stored in time; their rows are spoken again", num_left)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            error = self._write(task) if isinstance(task, Commit) else _do(task)
            with self._changed:
                if error is not None:
                    self._error = self._error or error
                    self._waiting.clear()
                elif isinstance(task, Commit):
                    self._stored.append(task)
                else:
                    self._num_errands -= 1
                self._changed.notify_all()

    def _next(self) -> Commit | Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._errands or self._is_closed or self._error)
            if self._error is not None:
                return None
            if self._waiting:
                return self._waiting.popleft()
            return self._errands.popleft() if self._errands else None

    def _write(self, commit: Commit) -> BaseException | None:
        try:
            for key, data in commit.objects:
                self.lease.check()
                self._storage.put(key, data)
        except BaseException as error:
            return error
        return None


def _do(errand: Callable[[], None]) -> BaseException | None:
    try:
        with suppress(JobError, RunStopped):
            errand()
    except BaseException as error:
        return error
    return None
