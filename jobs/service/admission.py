"""Admission of streams: which request is served now, which one waits, and which one is refused.

Guaranteed: never more than `max_streams` at once nor more than `max_waiting` in the queue; first come, first served; no
place stays empty while a request waits. `Admission` decides, and is given its clock; `AdmissionGate` waits for it.
Not known here: HTTP, speech, why a client leaves.
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
    """What a client may ask for, and how long everything may take.

    Attributes:
        max_chars: Characters of a text
        max_body_bytes: Bytes of a request's body
        body_s: Seconds for a body to arrive
        max_streams: Speeches at once
        max_waiting: Requests that wait for their turn
        max_wait_s: Seconds that one waits
        first_audio_s: Seconds from its turn to its first audio
        idle_write_s: Seconds that a reader may take nothing
        total_s: Seconds from its turn to its end, the reader's own pace included
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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "max_waiting" else 1 if field.type == "int" else 0.001
            if not least <= value < float("inf"):
                raise SpecError(f"{field.name} is {value}; it has to be at least {least}, and finite")


class AdmissionState(Enum):
    """What became of a request for a place."""

    SPEAKING = "speaking"
    WAITING = "waiting"
    REFUSED = "refused"


class Admission:
    """The places, and who has them. Tickets are the caller's own numbers, each used once."""

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
        """Take a place, or one in the queue, or none."""
        if len(self._speaking) < self._limits.max_streams:
            self._speaking[ticket] = now_s
            return AdmissionState.SPEAKING
        if len(self._waiting) < self._limits.max_waiting:
            self._waiting[ticket] = None
            return AdmissionState.WAITING
        return AdmissionState.REFUSED

    def leave(self, ticket: int, now_s: float) -> int | None:
        """Give up whatever the ticket has; the ticket that has its place now, if one waited for it."""
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
        """How long a request that comes now would wait for a place, by how long the last ones took."""
        running_s = [now_s - since_s for since_s in self._speaking.values()]
        # Those that still speak count for what they took so far: the first ones, or all, may take very long.
        took_s = max(_mean(self._recent_s), _mean(running_s))
        return min(MAX_RETRY_S, took_s * (len(self._waiting) + 1) / self._limits.max_streams)


def _mean(values: deque[float] | list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


class AdmissionGate:
    """Where requests wait for their turn; all of one event loop."""

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
        self.is_draining = False

    def check_open(self) -> None:
        """Raise HttpProblem 503 when no request is admitted any more."""
        if self.is_draining:
            headers = {**retry_after(DRAIN_RETRY_S), **CLOSE}
            raise HttpProblem(503, "the service is shutting down; ask again", code="draining", headers=headers)

    def drain(self) -> None:
        """Admit no request from now on; those inside finish, those in the queue too."""
        self.is_draining = True

    async def drained(self) -> None:
        """Return once no request is inside."""
        await self._is_empty.wait()

    @contextmanager
    def inside(self) -> Generator[None]:
        """Be counted as inside: `drained` waits for it.

        Raises:
            Problem: 503 once the door is shut
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
        """Have a place, and know how many seconds it took to get it; left, cancelled or failed, it is free again.

        Raises:
            Problem: 429 when the queue is full, or the turn does not come in time
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
        # One whose waiting ended in the same moment is on its way here itself, and hands the place on.
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
