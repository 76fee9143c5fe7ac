"""Writes to a client that may be slow, stop reading, or disconnect at any moment.

Guaranteed: no write lasts longer than `idle_write_s`, and work for a client that has left is cancelled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping

from starlette.responses import Response
from starlette.types import Message, Receive, Send

_GONE = "the client left"


class ClientStalled(Exception):
    """The client took no data for too long."""


class ClientGone(Exception):
    """The client has left."""


class ClientStream:
    """The connection to the client of one response.

    Args:
        heard: Called right before audio begins to be sent

    Attributes:
        has_begun: Whether anything was sent, so that the status is fixed
    """

    def __init__(self, send: Send, idle_write_s: float, heard: Callable[[], None]) -> None:
        self._send = send
        self._idle_write_s = idle_write_s
        self._heard = heard
        self.has_begun = False

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers of audio that follows right away."""
        self._heard()
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._write({"type": "http.response.start", "status": status, "headers": raw})

    async def take(self, data: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body.

        Raises:
            ClientStalled: The write takes too long; `begin` and `respond` raise it, too
            ClientGone: The client has left; `begin` and `respond` raise it, too
        """
        await self._write({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def respond(self, response: Response) -> None:
        """Send a whole response in place of audio."""
        headers = response.raw_headers
        await self._write({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self.take(bytes(response.body), is_last=True)

    async def _write(self, message: Message) -> None:
        self.has_begun = True
        try:
            async with asyncio.timeout(self._idle_write_s):
                await self._send(message)
        except TimeoutError:
            raise ClientStalled(f"the reader took nothing for {self._idle_write_s:g} s") from None
        except OSError as error:
            raise ClientGone(_GONE) from error


async def unless_gone(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Do the work. If the client leaves first, cancel the work, wait until it has ended, and raise ClientGone."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone(_GONE)
        working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
