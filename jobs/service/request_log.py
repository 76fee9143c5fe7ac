"""The log line and the metrics of each request and WebSocket; also the last handler of unforeseen errors.

Guaranteed: each request has one line, which holds neither its text nor its token nor any other input of the client. An
unforeseen error is answered like any other. Once the answer has begun, such an error breaks it off without its end.
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
"""nginx's status for a request whose client left before the answer; it is never sent."""

SWITCHED = 101
REFUSED = 403
"""The status of a WebSocket that is closed before it was accepted."""

_QUIET = ("/health", "/ready")


@dataclass(slots=True)
class RequestLog:
    """The figures of a request so far.

    Attributes:
        began_s: Time of its arrival
        status: HTTP status; 0 until the answer has begun
        num_chars: Characters of its text
        first_audio_s: Seconds from its arrival to its first audio; None before
        audio_s: Seconds of audio made for it
        num_utterances: Of a WebSocket
        route: Its path, where the router does not tell it
        ending: Why it did not end well, or how a WebSocket was closed; "" if it ended well
    """

    began_s: float = field(default_factory=time.monotonic)
    status: int = 0
    num_chars: int = 0
    first_audio_s: float | None = None
    audio_s: float = 0.0
    num_utterances: int = 0
    route: str = ""
    ending: str = ""

    def now_s(self) -> float:
        """Seconds since the request arrived."""
        return time.monotonic() - self.began_s

    def line(self, method: str, route: str) -> str:
        """The line in the log."""
        parts = [f"{method} {route} {self.status} in {self.now_s():.3f} s"]
        if self.num_chars:
            parts.append(f"{self.num_chars} characters")
        if self.first_audio_s is not None:
            parts.append(f"first audio after {self.first_audio_s:.3f} s, {self.audio_s:.2f} s of audio")
        if self.num_utterances:
            parts.append(f"{self.num_utterances} utterances")
        return ", ".join(parts + ([self.ending] if self.ending else []))


def visit_of(scope: Scope) -> RequestLog:
    """The log of the request with this scope."""
    return scope["state"]["visit"]


class RequestLogs:
    """The outermost ASGI middleware: makes a `RequestLog` for every request and every WebSocket."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_log = RequestLog()
        scope.setdefault("state", {})["visit"] = request_log

        async def watched_send(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                request_log.status = message["status"]
            elif message["type"] == "websocket.accept":
                request_log.status = SWITCHED
            elif message["type"] == "websocket.close":
                request_log.status = request_log.status or REFUSED
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            request_log.ending = "the client left"
        except Exception as error:
            request_log.ending = type(error).__name__
            log_error(error)
            if not request_log.status and scope["type"] == "http":
                await internal_error().response()(scope, receive, watched_send)
        finally:
            request_log.status = request_log.status or CLIENT_LEFT
            self._tell(request_log, scope)

    def _tell(self, request_log: RequestLog, scope: Scope) -> None:
        # The route, not the path: a path is a client's input.
        route = request_log.route or getattr(scope.get("route"), "path", "-")
        level = logging.DEBUG if route in _QUIET else logging.INFO
        LOG.log(level, "%s", request_log.line(scope.get("method", "WS"), route))
        self._metrics.answered(request_log.status)


def log_error(error: BaseException) -> None:
    """Log the type and traceback of an unforeseen error, without its message, which may quote the text."""
    LOG.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def internal_error() -> HttpProblem:
    """The answer to a request that failed by no fault of the client."""
    return HttpProblem(500, "something went wrong here; the log of the service tells more", code="internal_error")
