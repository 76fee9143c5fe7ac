"""`WS /v1/audio/speech/stream`: who may connect, and a connection's utterances one after the other.

Guaranteed: a malformed message gets an error and harms nothing else; a client that leaves is noticed at once, and what
was spoken to it is cancelled; a connection that is idle or old is closed with a reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from ..answer.client_stream import ClientGone, ClientStalled
from ..gate import KeyGate
from ..http_problem import HttpProblem, retry_after
from ..request_log import LOG, RequestLog, internal_error, log_error, visit_of
from ..speech import SpeechService
from .inbox import Inbox
from .messages import ClientMessage, InputCommit, InputDone, InputText, SessionClose, SessionConfig, parse_message
from .socket import (
    GOING_AWAY,
    INTERNAL,
    NORMAL,
    POLICY,
    TOO_LARGE,
    UNSUPPORTED,
    SocketClose,
    SpeechSocket,
)
from .utterance import LiveUtterance

LIVE_PATH = "/v1/audio/speech/stream"
SUBPROTOCOL = "speechmill"
_RETRY_S = 5.0


class LiveSpeech:
    """The ASGI application of the path, for all connections.

    Args:
        allow_origins: Origins whose pages may connect, "*" for all; by default only the service's own page
    """

    def __init__(self, service: SpeechService, gate: KeyGate, allow_origins: Collection[str] = ()) -> None:
        self._service, self._gate, self._origins = service, gate, frozenset(allow_origins)
        self._num_connections = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        visit, socket = visit_of(scope), SpeechSocket(send, self._service.limits.idle_write_s)
        visit.route = LIVE_PATH
        with suppress(ClientGone, ClientStalled):
            try:
                self._check(scope)
            except HttpProblem as problem:
                visit.ending = problem.code
                await socket.refuse(problem, scope.get("extensions") or {})
                return
            self._count(1)
            try:
                with self._service.admission_gate.inside():
                    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None)
                    await LiveSession(self._service, socket, visit).run(receive)
            finally:
                self._count(-1)

    def _check(self, scope: Scope) -> None:
        """Raise HttpProblem for a connection that may not be."""
        self._gate.check(scope)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        # A browser asks for no permission before it opens a WebSocket to another site.
        origin = headers.get(b"origin")
        if origin is not None and not self._origins & {origin, "*"}:
            with suppress(ValueError):
                if urlsplit(origin).netloc == headers.get(b"host"):
                    origin = None
            if origin is not None:
                told = "pages of this origin may not connect; http.allow_origins names those that may"
                raise HttpProblem(403, told, code="origin_not_allowed")
        if self._num_connections >= self._service.limits.max_connections:
            told = "too many WebSockets are open; ask again after the seconds in Retry-After"
            raise HttpProblem(429, told, code="rate_limit_exceeded", headers=retry_after(_RETRY_S))

    def _count(self, change: int) -> None:
        self._num_connections += change
        self._service.metrics.connected(self._num_connections)


class LiveSession:
    """One open connection."""

    def __init__(self, service: SpeechService, socket: SpeechSocket, visit: RequestLog) -> None:
        self._service, self._socket, self._visit = service, socket, visit
        self._inbox = Inbox(service.limits.max_chars)
        self._config: SessionConfig | None = None
        self._num_utterances = 0
        self._old_s = time.monotonic() + service.limits.connection_s

    async def run(self, receive: Receive) -> None:
        """Serve until one side ends the connection; never raises, but for a cancelling from outside."""
        working, reading = asyncio.ensure_future(self._serve()), asyncio.ensure_future(self._read(receive))
        try:
            await asyncio.wait((working, reading), return_when=asyncio.FIRST_COMPLETED)
            # What the reader raises, or that the client has left, goes first: it ends the work.
            end = await _ended(reading if reading.done() else working, working)
        finally:
            for task in (working, reading):
                task.cancel()
            await asyncio.gather(working, reading, return_exceptions=True)
        self._visit.num_utterances = self._num_utterances
        if end is None:
            self._visit.ending = "the client left"
            return
        self._visit.ending = f"closed {end.code}{f' {end.reason}' if end.reason else ''}"
        await self._socket.close(end)

    async def _read(self, receive: Receive) -> None:
        """Pass the client's messages to the inbox until the client leaves."""
        limits = self._service.limits
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] != "websocket.receive":
                continue
            data = message.get("text")
            if data is None:
                raise SocketClose(UNSUPPORTED, "text_only")
            if len(data) > limits.max_body_bytes:
                told = f"a message is larger than {limits.max_body_bytes:,} characters"
                await self._socket.say_error(HttpProblem(413, told, code="request_too_large"))
                raise SocketClose(TOO_LARGE, "request_too_large")
            try:
                wanted = parse_message(data, self._service.offer)
                if self._config is None and not isinstance(wanted, SessionConfig):
                    told = "the first message has to be session.config"
                    raise HttpProblem(400, told, code="invalid_value", param="type")
            except HttpProblem as problem:
                await self._socket.say_error(problem)
                if self._config is None:
                    raise SocketClose(POLICY, problem.code) from None
                continue
            if self._config is None and isinstance(wanted, SessionConfig):
                self._config = wanted
            await self._inbox.put(wanted)

    async def _serve(self) -> None:
        """Take message by message, and speak each utterance."""
        limits = self._service.limits
        wait_s = limits.body_s
        while True:
            match await self._next(wait_s):
                case SessionConfig() as config:
                    self._config = config
                case InputText(text=text) if text.strip():
                    await self._speak(text)
                case InputText() | InputCommit():
                    pass  # white space before an utterance says nothing
                case InputDone():
                    await self._finish(num_sentences=0)
                case SessionClose():
                    raise SocketClose(NORMAL)
            wait_s = limits.idle_text_s

    async def _speak(self, text: str) -> None:
        assert self._config is not None, "the reader lets nothing pass before it"
        utterance = LiveUtterance(self._service, self._socket, self._inbox, self._config, self._num_utterances)
        try:
            await utterance.run(text)
        finally:
            LOG.info("%s", utterance.request_log.line("WS", LIVE_PATH))
        await self._finish(num_sentences=1)

    async def _finish(self, *, num_sentences: int) -> None:
        told = {"type": "session.done", "utterance_index": self._num_utterances, "total_sentences": num_sentences}
        self._num_utterances += 1
        await self._socket.say(told)

    async def _next(self, wait_s: float) -> ClientMessage:
        """The next message between two utterances.

        Raises:
            SocketClose: None came in time, the connection is old, or the service stops
        """
        gate = self._service.admission_gate
        getting, draining = asyncio.ensure_future(self._inbox.get()), asyncio.ensure_future(gate.draining.wait())
        left_s = max(0.0, self._old_s - time.monotonic())
        try:
            await asyncio.wait((getting, draining), timeout=min(wait_s, left_s), return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                raise SocketClose(GOING_AWAY, "draining")
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
            draining.cancel()
        if left_s < wait_s:
            raise SocketClose(GOING_AWAY, "old")
        told = f"no message came for {wait_s:g} s"
        await self._socket.say_error(HttpProblem(408, told, code="request_timeout"))
        raise SocketClose(POLICY, "request_timeout")


async def _ended(first: asyncio.Future[None], working: asyncio.Future[None]) -> SocketClose | None:
    """Why a session ended, by its task that ended first; None if the client has left."""
    working.cancel()
    await asyncio.wait((working,))
    try:
        first.result()
    except SocketClose as end:
        return end
    except (ClientGone, ClientStalled):
        return None
    except Exception as error:
        log_error(error)
        return SocketClose(INTERNAL, internal_error().code)
    return None
