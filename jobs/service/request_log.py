"""One request from its arrival to its end, as the log and the metrics tell it; and the net under all of them.

Guaranteed: one line per request, with neither its text nor its token, nor anything else that a client wrote; and an
unforeseen error is answered as any other, or, once the answer has begun, ends it without its end.
"""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .http_problem import HttpProblem
from .metrics import Metrics

LOG = logging.getLogger("speechmill.service")

CLIENT_LEFT = 499
"""What nginx calls a request whose client left before the answer; it is never sent."""

_QUIET = ("/health", "/ready")


@dataclass(slots=True)
class RequestLog:
    """What is known of a request so far.

    Attributes:
        status: 0 until the answer has begun
        num_chars: Of its text
        first_audio_s: Seconds from its arrival to its first audio
        audio_s: Seconds of audio that were spoken
        ending: Why it did not end as it should have, "" if it did
    """

    began_s: float = field(default_factory=time.monotonic)
    status: int = 0
    num_chars: int = 0
    first_audio_s: float | None = None
    audio_s: float = 0.0
    ending: str = ""

    def now_s(self) -> float:
        """Seconds since it arrived."""
        return time.monotonic() - self.began_s

    def line(self, method: str, route: str) -> str:
        """The line in the log."""
        parts = [f"{method} {route} {self.status} in {self.now_s():.3f} s"]
        if self.num_chars:
            parts.append(f"{self.num_chars} characters")
        if self.first_audio_s is not None:
            parts.append(f"first audio after {self.first_audio_s:.3f} s, {self.audio_s:.2f} s of audio")
        return ", ".join(parts + ([self.ending] if self.ending else []))


def visit_of(scope: Scope) -> RequestLog:
    """The visit that a request belongs to."""
    return scope["state"]["visit"]


class RequestLogs:
    """ASGI middleware, around everything: a `RequestLog` for every HTTP request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_log = RequestLog()
        scope.setdefault("state", {})["visit"] = request_log

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_log.status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            request_log.ending = "the client left"
        except Exception as error:
            request_log.ending = type(error).__name__
            log_error(error)
            if not request_log.status:
                await internal_error().response()(scope, receive, watched_send)
        finally:
            request_log.status = request_log.status or CLIENT_LEFT
            self._tell(request_log, scope)

    def _tell(self, request_log: RequestLog, scope: Scope) -> None:
        # The route, not the path: that may hold anything.
        route = getattr(scope.get("route"), "path", "-")
        level = logging.DEBUG if route in _QUIET else logging.INFO
        LOG.log(level, "%s", request_log.line(scope["method"], route))
        self._metrics.answered(request_log.status)


def log_error(error: BaseException) -> None:
    """Where an unforeseen error came from; not its message, which may quote the text."""
    LOG.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def internal_error() -> HttpProblem:
    """What a client is told of an error that is not its own."""
    return HttpProblem(500, "something went wrong here; the log of the service tells more", code="internal_error")
