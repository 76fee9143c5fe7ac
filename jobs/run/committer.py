"""Manifests on their way into the store: a few threads write them, so that the driver does not wait for each.

Guaranteed: a part gets the number of its commit when its writing begins. The lease is checked right before each object,
and the manifest is written last. `stored` returns a part once, after its manifest is in the store, and raises the first
error of any write; after an error no write begins. Parts are independent and may be stored in any order.

This module does not interpret rows. The caller bounds the queue: it adds parts only while `has_room`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from ...actors.records.manifest import content_digest
from ...cluster.commit.claimed_run import Commit
from ...cluster.commit.executor import Executor
from ...cluster.storage import Storage
from ...cluster.storage.guard import guarded
from ...errors import JobError, RunStopped
from ..output.claim import MayWrite
from ..output.texts import text_key
from ..output.totals import Totals
from .pending_part import PendingPart

logger = logging.getLogger(__name__)

NUM_THREADS = 8
MAX_WAITING = 256
MAX_WAITING_BYTES = 64 << 20
SLOW_S = 10.0
"""A part that waits longer is worth a notice."""
CLOSE_S = 5.0
"""When a run is interrupted, waiting parts may still be written for this time."""


class Numbering(Protocol):
    """The part of a claim that commits need."""

    def begin_commit(self) -> str:
        """The stamp of one manifest."""
        ...

    def landed(self, manifest_key: str) -> None:
        """The manifest is stored."""
        ...


class Committer:
    """Writes the parts of one output. Only one thread may call it; leaving the `with` block ends the writing."""

    def __init__(
        self, storage: Storage, lease: MayWrite, claim: Numbering, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._lease = lease
        self._claim = claim
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[PendingPart] = deque()
        self._cleanups: deque[Callable[[], object]] = deque()
        self._num_cleanups = 0
        self._stored: list[PendingPart] = []
        self._error: BaseException | None = None
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._pending: dict[str, tuple[PendingPart, float]] = {}  # not told yet; of the caller's thread alone

    def add(self, part: PendingPart) -> None:
        """Queue a part to be stored."""
        self._pending[part.name.shard_id] = part, self._clock()
        with self._changed:
            self._waiting.append(part)
            self._wake()

    def add_cleanup(self, cleanup: Callable[[], object]) -> None:
        """Queue a cleanup, to be run when no part waits. Its JobError and RunStopped are ignored: it is best effort."""
        with self._changed:
            self._cleanups.append(cleanup)
            self._num_cleanups += 1
            self._wake()

    def _wake(self) -> None:
        if len(self._threads) < min(NUM_THREADS, len(self._pending) + self._num_cleanups):
            # A daemon: a store that hangs must not keep the process from ending.
            self._threads.append(threading.Thread(target=self._work, name="commit", daemon=True))
            self._threads[-1].start()
        self._changed.notify_all()

    @property
    def is_idle(self) -> bool:
        """Whether every added part is stored and was returned by `stored`, and no cleanup is left."""
        return not self._pending and not self._num_cleanups

    @property
    def has_room(self) -> bool:
        """Whether more may be added."""
        num_bytes = sum(part.num_bytes for part, _ in self._pending.values())
        return len(self._pending) < MAX_WAITING and num_bytes < MAX_WAITING_BYTES

    @property
    def pending(self) -> tuple[Totals, float]:
        """Rows and audio of parts that `stored` has not returned yet, and their estimated cost in seconds."""
        totals, cost_s = Totals(), 0.0
        for part, _ in self._pending.values():
            totals = totals.plus(part.name.num_ok, part.name.num_failed, part.name.audio_ms / 1000)
            cost_s += part.cost_s
        return totals, cost_s

    @property
    def notice(self) -> str:
        """A message to the user while the store takes nothing; else empty."""
        if not self._pending:
            return ""
        shard_id, (_, since_s) = next(iter(self._pending.items()))
        waited_s = self._clock() - since_s
        if waited_s < SLOW_S:
            return ""
        return (
            f"waiting for the store for {waited_s:.0f} s: it has not taken the manifest of shard {shard_id}; "
            f"{len(self._pending)} manifests with {self.pending[0].num_rows} rows wait. See that output.uri is near "
            "and well; a request is tried output.s3.max_attempts times, in output.s3.timeout_s"
        )

    def stored(self, timeout_s: float = 0.0) -> list[PendingPart]:
        """Parts stored since the last call; if there are none, wait at most `timeout_s` for one.

        Raises:
            JobError: A write raised it
            RunStopped: A write raised it
        """
        with self._changed:
            if timeout_s:
                self._changed.wait_for(lambda: self._stored or self._error or self.is_idle, timeout_s)
            if self._error is not None:
                raise self._error
            stored, self._stored = self._stored, []
        for part in stored:
            del self._pending[part.name.shard_id]
        return stored

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Wait at most `timeout_s` for waiting parts to be written, not at all after an error; drop the rest.

        The next run speaks the rows of dropped parts again.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error or len(self._stored) == len(self._pending), timeout_s)
            num_left = len(self._pending) - len(self._stored)
            self._waiting.clear()
            self._cleanups.clear()
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
            error = self._write(task) if isinstance(task, PendingPart) else _clean(task)
            with self._changed:
                if error is not None:
                    self._error = self._error or error
                    self._waiting.clear()
                elif isinstance(task, PendingPart):
                    self._stored.append(task)
                else:
                    self._num_cleanups -= 1
                self._changed.notify_all()

    def _next(self) -> PendingPart | Callable[[], object] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._cleanups or self._is_closed or self._error)
            if self._error is not None:
                return None
            if self._waiting:
                return self._waiting.popleft()
            return self._cleanups.popleft() if self._cleanups else None

    def _write(self, part: PendingPart) -> BaseException | None:
        try:
            with guarded(self._lease.check):
                self._lease.check()  # so that a run that lost it begins no further number
                content = part.name.content or content_digest(part.manifest)
                name = replace(part.name, stamp=self._claim.begin_commit(), content=content)
                texts = () if part.texts is None else ((text_key(name), part.texts),)
                # The audio has landed: the replica's receipt says so.
                Executor(self._storage).run(Commit((), (*texts, (name.key, part.manifest))))
            self._claim.landed(name.key)
        except BaseException as error:
            return error
        return None


def _clean(cleanup: Callable[[], object]) -> BaseException | None:
    try:
        with suppress(JobError, RunStopped):
            cleanup()
    except BaseException as error:
        return error
    return None
