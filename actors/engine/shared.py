"""One engine for several threads: rows of jobs, and streams that get their steps as they are drawn.

A waiting thread computes the next step, for all; the engine has no thread of its own, so it stands still while no
thread waits. Guaranteed: each row goes to the caller that requested it. If a caller leaves, its rows are dropped before
the next step. If a step fails, the rows of all callers end with its error. A stream whose text has not come far enough
holds up no step: its thread reads the text as it comes, and while every row waits for text, all threads sleep. A
thread is woken for its own result or text, or to step: with many streams, to wake all of them takes longer than a step.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ..records.stream_handle import StreamHandle
from .chunks import Chunk, Chunker, ChunkPolicy
from .engine import Engine
from .growth import Growth, PromptPart
from .request import Generated, Request
from .step.usage import Usage

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Steps of a row that can be decoded: a chunk, and all steps of its window.

    Attributes:
        codes, hiddens: As in `Generated`, for the steps from `chunk.window_start` to `chunk.window_end`
        end: The ended row, with its last chunk; None before
    """

    chunk: Chunk
    codes: Tensor
    hiddens: Tensor
    end: Generated | None


@dataclass(slots=True, eq=False)
class _Caller:
    """A waiting caller and its results.

    Attributes:
        awake: Notified when it is served, or is to step; on the engine's lock
        chunker, listener: Chunker and listener of a stream; None for rows of a job
        growth: The text of a stream, if it arrives; else None
    """

    names: dict[int, int]
    awake: threading.Condition
    chunker: Chunker | None = None
    listener: StreamHandle = field(default_factory=StreamHandle)
    growth: Growth | None = None
    since: float = field(default_factory=time.perf_counter)
    waits_for: str = "queue"
    ended: deque[Generated] = field(default_factory=deque[Generated])
    drawn: deque[Drawn] = field(default_factory=deque[Drawn])
    error: BaseException | None = None

    @property
    def is_served(self) -> bool:
        """Whether the caller need not wait."""
        is_served = bool(self.ended or self.drawn or self.error is not None or self.listener.is_gone)
        return is_served or (self.growth is not None and self.growth.is_ready)

    def has_stepped(self, num_steps: int, began: float) -> None:
        """Add the time of a step, which began at `began`, to the listener's times before its first chunk."""
        now = time.perf_counter()
        if self.waits_for == "queue" and num_steps:
            self.listener.spent("queue", began - self.since)
            self.listener.spent("prefill", now - began)
            self.since, self.waits_for = now, "steps"
        if self.waits_for == "steps" and self.drawn:
            self.listener.spent("steps", now - self.since)
            self.waits_for = ""


class SharedEngine:
    """An engine, and the callers that its rows belong to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys = itertools.count()
        self._lock = threading.Lock()
        self._is_stepping = False
        self._has_work: bool | None = None
        """Whether a step can do something, as long as nothing comes or goes; None if that is to be asked."""
        self._asleep: set[_Caller] = set()
        self._coming: list[Request] = []
        self._more: list[tuple[_Caller, PromptPart]] = []
        self._going: list[int] = []
        self._callers: dict[int, _Caller] = {}
        self._streams: dict[int, _Caller] = {}
        """Those of them that are heard while they are drawn."""

    @property
    def usage(self) -> Usage:
        """The use of the slots so far."""
        return self._engine.usage

    def run(self, requests: Iterable[Request]) -> Iterator[Generated]:
        """Rows as they end, under their own keys. Errors of a step pass.

        Raises:
            ValueError: No slot can hold one of the requests
        """
        with self._asking(list(requests), None) as caller:
            for _ in range(len(caller.names)):
                yield self._wait(caller).ended.popleft()

    def stream(self, request: Request, policy: ChunkPolicy, listener: StreamHandle) -> Iterator[Drawn]:
        """The row's steps as they are drawn, before all rows that are not streamed. Errors of a step pass.

        Args:
            listener: Once it has gone, the row leaves its slot before the next step, and the stream ends. It gets the
                times before the first chunk: "queue", "prefill" (with the first step) and "steps"

        Yields:
            A chunk as soon as it is due; the last one carries the ended row

        Raises:
            ValueError: No slot can hold the request
        """
        yield from self._streamed(request, policy, listener, None)

    def stream_growing(self, growth: Growth, policy: ChunkPolicy, listener: StreamHandle) -> Iterator[Drawn]:
        """As `stream`, of a speech whose text arrives. The calling thread takes the text whenever some has come.

        Of the times before the first chunk, "queue" begins with the last text that came before it.

        Raises:
            RowError: A part of the text cannot be spoken
            ValueError: No slot can hold the row, or its prompt does not fit into the region
        """
        yield from self._streamed(growth.start(), policy, listener, growth)

    def _streamed(
        self, request: Request, policy: ChunkPolicy, listener: StreamHandle, growth: Growth | None
    ) -> Iterator[Drawn]:
        with self._asking([replace(request, is_urgent=True)], Chunker(policy), listener, growth) as caller:
            listener.when_gone(partial(self._drop, caller))
            if growth is not None:
                growth.when_ready(partial(self._wake, caller))
            is_over = False
            while not is_over and not self._wait(caller).listener.is_gone:
                if caller.drawn:
                    drawn = caller.drawn.popleft()
                    is_over = drawn.chunk.is_last
                    yield drawn
                elif growth is not None:
                    self._extend(caller, growth.take())

    def _extend(self, caller: _Caller, part: PromptPart) -> None:
        """Add to a caller's prompt; the thread waits next, and steps unless another one does."""
        with self._lock:
            self._more.append((caller, part))
            if caller.waits_for == "queue":
                caller.since = time.perf_counter()

    def _wake(self, caller: _Caller) -> None:
        with self._lock:
            caller.awake.notify()

    def _drop(self, caller: _Caller) -> None:
        with self._lock:
            self._going += caller.names
            caller.awake.notify()

    @contextmanager
    def _asking(
        self,
        requests: list[Request],
        chunker: Chunker | None,
        listener: StreamHandle | None = None,
        growth: Growth | None = None,
    ) -> Generator[_Caller]:
        """Register a caller with its requests, until the block ends."""
        for request in requests:
            self._engine.check(request)
        with self._lock:
            own = [replace(request, key=next(self._keys)) for request in requests]
            names = {new.key: old.key for new, old in zip(own, requests, strict=True)}
            caller = _Caller(names, threading.Condition(self._lock), chunker, listener or StreamHandle(), growth)
            self._coming += own
            self._callers |= dict.fromkeys(names, caller)
            if chunker is not None:
                self._streams |= dict.fromkeys(names, caller)
        try:
            yield caller
        finally:
            with self._lock:
                left = [key for key in caller.names if self._forget(key) is not None]
                self._going += left
                if left and not self._is_stepping:
                    self._is_due()  # the engine hears of it: no other thread may ever step again

    def _forget(self, key: int) -> _Caller | None:
        self._streams.pop(key, None)
        return self._callers.pop(key, None)

    def _wait(self, caller: _Caller) -> _Caller:
        """Wait until the caller has a result or its listener has gone; compute steps while no other thread does."""
        while True:
            with self._lock:
                self._asleep.add(caller)
                try:
                    while not (is_served := caller.is_served) and (self._is_stepping or not self._is_due()):
                        caller.awake.wait()
                    self._is_stepping |= not is_served
                finally:
                    self._asleep.discard(caller)
                    if not self._is_stepping:
                        self._pass_on()
                if caller.error is not None:
                    raise caller.error
                if is_served:
                    return caller
            self._step()

    def _pass_on(self) -> None:
        """Wake another thread if there is work: this one goes on with its result."""
        if self._asleep and self._is_due():
            next(iter(self._asleep)).awake.notify()

    def _is_due(self) -> bool:
        """Tell the engine what has come and gone; whether a step can do something. No step is running."""
        if self._coming or self._going or self._more:
            self._change()
            self._has_work = None
        if self._has_work is None:
            self._has_work = self._engine.has_work
        return self._has_work

    def _change(self) -> None:
        """Add new requests and parts of prompts, and drop rows of callers that have left; no step is running."""
        going, self._going = set(self._going), []
        coming, self._coming = [request for request in self._coming if request.key not in going], []
        self._engine.add(coming)
        self._engine.cancel(going)
        more, self._more = self._more, []
        for caller, part in more:
            try:
                for key in caller.names:
                    self._engine.extend(key, part.embeddings, is_last=part.is_last)
            except Exception as error:
                caller.error = error  # not for the thread that happens to step
                caller.awake.notify()

    def _step(self) -> None:
        """Compute a step, and give its results to their callers. An error ends the rows of all callers."""
        done: list[Generated] = []
        error: BaseException | None = None
        began = time.perf_counter()
        try:
            done = self._engine.step()
        except BaseException as raised:
            error = raised
            self._engine.clear()
        with self._lock:
            if error is not None:
                for caller in self._callers.values():
                    caller.error = error
                    caller.awake.notify()
                self._callers.clear()
                self._streams.clear()
                self._coming, self._going, self._more = [], [], []
            for row in done:
                self._give(row, began)
            steps = self._engine.steps_so_far() if self._streams else {}
            for key, caller in self._streams.items():
                self._look(key, caller, steps.get(key), began)
            self._is_stepping, self._has_work = False, None

    def _give(self, row: Generated, began: float) -> None:
        """Give an ended row to its caller, if that is still there."""
        caller = self._forget(row.key)
        if caller is None:
            return
        caller.awake.notify()
        row = replace(row, key=caller.names[row.key])
        if caller.chunker is None:
            caller.ended.append(row)
            return
        while (chunk := caller.chunker.next(row.num_steps, is_complete=True)) is not None:
            steps = slice(chunk.window_start, chunk.window_end)
            end = row if chunk.is_last else None
            caller.drawn.append(Drawn(chunk, row.codes[steps], row.hiddens[steps], end))
        caller.has_stepped(row.num_steps, began)

    def _look(self, key: int, caller: _Caller, num_steps: int | None, began: float) -> None:
        """Give a stream the chunks that are due, and wake its thread if it has something to do."""
        assert caller.chunker is not None
        while num_steps is not None and (chunk := caller.chunker.next(num_steps, is_complete=False)) is not None:
            so_far = self._engine.so_far(key, chunk.window_start)
            assert so_far is not None
            size = chunk.window_end - chunk.window_start
            caller.drawn.append(Drawn(chunk, so_far[0][:size], so_far[1][:size], None))
        caller.has_stepped(num_steps or 0, began)
        if caller.is_served:
            caller.awake.notify()
