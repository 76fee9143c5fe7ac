"""The connection to one client of a WebSocket: writes that have an end, and its close.

Guaranteed: no write lasts longer than `idle_write_s`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.types import Message, Send

from ..answer.client_stream import ClientGone, ClientStalled
from ..http_problem import HttpProblem
from .messages import error_message

NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED = 1003
POLICY = 1008
TOO_LARGE = 1009
INTERNAL = 1011
TRY_AGAIN = 1013

_FRAME_BYTES = 1 << 19
"""The most bytes of a frame: many clients take a MiB at most."""


class SocketClose(Exception):
    """The connection ends by the service's decision.

    Args:
        code: A close code of RFC 6455 or its registry
        reason: A word for programs
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or "closed")
        self.code = code
        self.reason = reason


def close_of(problem: HttpProblem) -> SocketClose | None:
    """The end of a connection after a problem; None if the client may go on."""
    if problem.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return SocketClose(TRY_AGAIN, problem.code)
    return SocketClose(INTERNAL, problem.code) if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None


class SpeechSocket:
    """Messages to one client."""

    def __init__(self, send: Send, idle_write_s: float) -> None:
        self._send = send
        self._idle_write_s = idle_write_s

    async def accept(self, subprotocol: str | None) -> None:
        """Answer the handshake.

        Raises:
            ClientStalled: The write takes too long; all others raise it, too
            ClientGone: The client has left; all others raise it, too
        """
        await self._write({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def refuse(self, problem: HttpProblem, extensions: Mapping[str, object]) -> None:
        """Answer the handshake with an error: a status where the server can send one, else 403."""
        if "websocket.http.response" not in extensions:
            await self._write({"type": "websocket.close", "code": POLICY, "reason": problem.code})
            return
        response = problem.response()
        start = {"type": "websocket.http.response.start", "status": problem.status, "headers": response.raw_headers}
        await self._write(start)
        await self._write({"type": "websocket.http.response.body", "body": bytes(response.body)})

    async def say(self, content: Mapping[str, object]) -> None:
        """Send a message of JSON."""
        await self._write({"type": "websocket.send", "text": json.dumps(content)})

    async def say_error(self, problem: HttpProblem, **more: object) -> None:
        """Send what is wrong."""
        await self.say(error_message(problem, **more))

    async def pass_on(self, data: bytes) -> None:
        """Send bytes of audio."""
        await self._write({"type": "websocket.send", "bytes": data})

    async def close(self, end: SocketClose) -> None:
        """Close the connection; a client that has left is no error."""
        try:
            await self._write({"type": "websocket.close", "code": end.code, "reason": end.reason})
        except (ClientGone, ClientStalled):
            return

    async def _write(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._idle_write_s):
                await self._send(message)
        except TimeoutError:
            raise ClientStalled(f"the reader took nothing for {self._idle_write_s:g} s") from None
        except OSError as error:
            raise ClientGone("the client left") from error


class SocketAudio:
    """The audio of one utterance: `audio.start` with what is known then, and its bytes.

    Args:
        start: Makes the content of `audio.start`; called once, right before audio is sent
        is_streamed: Bytes are sent as they come, else at the end

    Attributes:
        has_begun: Whether `audio.start` was sent
        num_bytes: Bytes that were sent
    """

    def __init__(self, socket: SpeechSocket, start: Callable[[], Mapping[str, object]], *, is_streamed: bool) -> None:
        self._socket = socket
        self._start = start
        self._is_streamed = is_streamed
        self._kept: list[bytes] = []
        self.has_begun = False
        self.num_bytes = 0

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send `audio.start`; status and headers are those of HTTP and are not sent."""
        self.has_begun = True
        await self._socket.say(self._start())

    async def take(self, data: bytes, *, is_last: bool = False) -> None:
        """Send bytes of audio, or keep them for the end."""
        if not self._is_streamed:
            self._kept.append(data)
            if not is_last:
                return
            data, self._kept = b"".join(self._kept), []
        for start in range(0, len(data), _FRAME_BYTES):
            frame = data[start : start + _FRAME_BYTES]
            await self._socket.pass_on(frame)
            self.num_bytes += len(frame)
