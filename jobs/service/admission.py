"""Admission of streams: which request is served now, which one waits, and which one is refused.

Guaranteed: at most `max_streams` requests are served at once, and at most `max_waiting` wait. Requests are served in
order of arrival, and no place stays empty while one waits. `Admission` decides and gets the time as an argument;
`AdmissionGate` lets coroutines wait for its decisions.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from enum import Enum

from ...errors import SpecError
from .http_problem import CLOSE, HttpProblem, retry_after
from .metrics import Metrics

NUM_RECENT = 32
MAX_RETRY_S = 600.0
DRAIN_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """The most that a request may ask for, and the most time that its steps may take.

    Attributes:
        max_chars: Characters of a text
        max_body_bytes: Bytes of a request's body
        body_s: Seconds until the body has arrived
        max_streams: Speeches at once
        max_waiting: Requests that wait for their turn
        max_wait_s: Seconds that a request waits
        first_audio_s: Seconds from a request's turn to its first audio
        idle_write_s: Seconds in which the client takes no data
        total_s: Seconds from a request's turn to its end, delays by the client included
        max_connections: WebSockets at once
        idle_text_s: Seconds in which a WebSocket's client sends nothing that is waited for
        connection_s: Seconds after which a WebSocket is closed between two utterances
    """

    max_chars: int = 4_096
    max_body_bytes: int = 1_000_000
    body_s: float = 30.0
    max_streams: int = 8
    max_waiting: int = 32
    max_wait_s: float = 30.0
    first_audio_s: float = 30.0
    idle_write_s: float = 30.0
    total_s: float = 900.0
    max_connections: int = 256
    idle_text_s: float = 30.0
    connection_s: float = 3_600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "max_waiting" else 1 if field.type == "int" else 0.001
            if not least <= value < float("inf"):
                raise SpecError(f"{field.name} is {value}; it has to be at least {least}, and finite")


class AdmissionState(Enum):
    """The answer to a request for a place."""

    SPEAKING = "speaking"
    WAITING = "waiting"
    REFUSED = "refused"


class Admission:
    """The places and the queue. Requests are identified by tickets: the caller's own numbers, each used once."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._speaking: dict[int, float] = {}
        self._waiting: dict[int, None] = {}
        self._recent_s: deque[float] = deque(maxlen=NUM_RECENT)

    @property
    def num_speaking(self) -> int:
        """Places that are taken."""
        return len(self._speaking)

    @property
    def num_waiting(self) -> int:
        """Tickets in the queue."""
        return len(self._waiting)

    def ask(self, ticket: int, now_s: float) -> AdmissionState:
        """Take a place if one is free, else a place in the queue, else none."""
        if len(self._speaking) < self._limits.max_streams:
            self._speaking[ticket] = now_s
            return AdmissionState.SPEAKING
        if len(self._waiting) < self._limits.max_waiting:
            self._waiting[ticket] = None
            return AdmissionState.WAITING
        return AdmissionState.REFUSED

    def leave(self, ticket: int, now_s: float) -> int | None:
        """Free the place of a ticket, or its place in the queue; the waiting ticket that gets the place now, if any."""
        self._waiting.pop(ticket, None)
        since_s = self._speaking.pop(ticket, None)
        if since_s is None:
            return None
        self._recent_s.append(now_s - since_s)
        following = next(iter(self._waiting), None)
        if following is not None:
            del self._waiting[following]
            self._speaking[following] = now_s
        return following

    def retry_s(self, now_s: float) -> float:
        """Expected seconds that a new request would wait for a place, from the times of the last ones."""
        running_s = [now_s - since_s for since_s in self._speaking.values()]
        # Running ones count with their time so far: at first there are no others, and all may take very long.
        took_s = max(_mean(self._recent_s), _mean(running_s))
        return min(MAX_RETRY_S, took_s * (len(self._waiting) + 1) / self._limits.max_streams)


def _mean(values: deque[float] | list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


class AdmissionGate:
    """Lets requests wait for their turn; all in one event loop."""

    def __init__(self, limits: AdmissionLimits, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_wait_s = limits.max_wait_s
        self._metrics = metrics
        self._clock = clock
        self._admission = Admission(limits)
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._num_tickets = 0
        self._num_inside = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.draining = asyncio.Event()

    @property
    def is_draining(self) -> bool:
        """Whether no request is admitted any more."""
        return self.draining.is_set()

    def check_open(self) -> None:
        """Raise HttpProblem 503 if no request is admitted any more."""
        if self.is_draining:
            headers = {**retry_after(DRAIN_RETRY_S), **CLOSE}
            raise HttpProblem(503, "the service is shutting down; ask again", code="draining", headers=headers)

    def drain(self) -> None:
        """Admit no request from now on; requests inside finish, queued ones included."""
        self.draining.set()

    async def drained(self) -> None:
        """Return once no request is inside."""
        await self._is_empty.wait()

    @contextmanager
    def inside(self) -> Generator[None]:
        """Count a request as inside, so that `drained` waits for it.

        Raises:
            HttpProblem: 503 once the service drains
        """
        self.check_open()
        self._num_inside += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._num_inside -= 1
            if not self._num_inside:
                self._is_empty.set()

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[float]:
        """Hold a place for the block, and yield the seconds waited for it. The end of the block frees the place.

        Raises:
            HttpProblem: 429 if the queue is full, or the turn does not come in time
        """
        self._num_tickets += 1
        ticket, asked_s = self._num_tickets, self._clock()
        place = self._admission.ask(ticket, asked_s)
        if place is AdmissionState.REFUSED:
            raise self._too_busy("too many requests are waiting")
        try:
            if place is AdmissionState.WAITING:
                await self._turn(ticket)
            else:
                self._tell()
            yield self._clock() - asked_s
        finally:
            self._leave(ticket)

    async def _turn(self, ticket: int) -> None:
        self._turns[ticket] = asyncio.get_running_loop().create_future()
        self._tell()
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._turns[ticket]
        except TimeoutError:
            raise self._too_busy(f"no turn came within {self._max_wait_s:g} s") from None
        finally:
            del self._turns[ticket]

    def _leave(self, ticket: int) -> None:
        following = self._admission.leave(ticket, self._clock())
        # A request whose waiting has just ended calls `_leave` itself, and hands the place on.
        turn = self._turns.get(following) if following is not None else None
        if turn is not None and not turn.done():
            turn.set_result(None)
        self._tell()

    def _tell(self) -> None:
        self._metrics.speaking(self._admission.num_speaking)
        self._metrics.waiting(self._admission.num_waiting)

    def _too_busy(self, why: str) -> HttpProblem:
        return HttpProblem(
            429,
            f"{why}; ask again after the seconds in Retry-After",
            code="rate_limit_exceeded",
            headers=retry_after(self._admission.retry_s(self._clock())),
        )
