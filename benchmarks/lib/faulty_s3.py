"""A proxy before a real S3 server that fails a share of the requests, each kind as often as the others.

500, 503   refused: InternalError, SlowDown
reset      the connection breaks in the middle of what is sent or, where nothing is sent, of the answer
lost       the server has done what was asked, and the connection breaks before the answer
hang       no answer for `hang_s` seconds, then the connection breaks

A refusal and a hang come before the server has heard of the request, or after it has done what was asked, by chance: a
writer must not count what it was not told, and must not mind what it was not told either.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from typing import Any

import aiohttp
from aiohttp import web

KINDS = ("500", "503", "reset", "lost", "hang")

_BODY = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>"
_CODES = {"500": "InternalError", "503": "SlowDown"}
_MAX_BYTES = 256 * 2**20
_HOP = ("transfer-encoding", "connection", "keep-alive", "expect")


class FaultyS3:
    """Forwards 127.0.0.1:`port` to a server; runs in a thread of its own until `close`."""

    def __init__(self, target: str, share: float, seed: int, hang_s: float = 8.0) -> None:
        self._target, self._share, self._hang_s = target, share, hang_s
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.faults: Counter[str] = Counter()
        self.num_requests = 0
        self.port = 0
        self._thread.start()
        if not self._is_up.wait(30):
            raise RuntimeError("the proxy did not start")

    @property
    def endpoint(self) -> str:
        """The URL of the server as seen through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop; connections break."""
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            app = web.Application(client_max_size=_MAX_BYTES)

            async def forward(request: web.Request) -> web.StreamResponse:
                return await self._answer(session, request)

            app.router.add_route("*", "/{path:.*}", forward)
            runner = web.AppRunner(app, auto_decompress=False, handler_cancellation=True, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
            await site.start()
            self.port = runner.addresses[0][1]
            self._is_up.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _answer(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        self.num_requests += 1
        fault = self._chance.choice(KINDS) if self._chance.random() < self._share else ""
        if fault:
            self.faults[fault] += 1
        is_late = self._chance.random() < 0.5
        sent = request.content_length or 0
        if fault == "reset" and sent:
            await request.content.readexactly(sent // 2)
            return _broken(request)
        body = await request.read()
        answer: web.Response | None = None
        if fault in ("", "reset", "lost") or is_late:
            answer = await self._forwarded(session, request, body)
        if not fault:
            assert answer is not None
            return answer
        if fault in _CODES:
            text = _BODY.format(code=_CODES[fault])
            return web.Response(status=int(fault), text=text, content_type="application/xml")
        if fault == "hang":
            await asyncio.sleep(self._hang_s)
        elif fault == "reset":
            assert answer is not None
            await _begun(request, answer)
        return _broken(request)

    async def _forwarded(self, session: aiohttp.ClientSession, request: web.Request, body: bytes) -> web.Response:
        # The signature covers the Host header, so it goes through as it came.
        async with session.request(
            request.method,
            self._target + request.raw_path,
            headers=_kept(request.headers),
            data=body,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        ) as answer:
            data = await answer.read()
            length = answer.headers.get("Content-Length", str(len(data)))
            response = web.Response(status=answer.status, headers=_kept(answer.headers), body=data)
            response.headers["Content-Length"] = length if request.method == "HEAD" else str(len(data))
            return response


def _kept(headers: Any) -> list[tuple[str, str]]:
    return [(key, value) for key, value in headers.items() if key.lower() not in _HOP]


async def _begun(request: web.Request, answer: web.Response) -> None:
    """Send the head of an answer and half of its body."""
    half = web.StreamResponse(status=answer.status, headers=answer.headers)
    await half.prepare(request)
    data = bytes(answer.body or b"")  # pyright: ignore[reportArgumentType]
    if request.method != "HEAD":
        await half.write(data[: len(data) // 2])
    await asyncio.sleep(0.01)  # a connection that is aborted sends nothing more


def _broken(request: web.Request) -> web.StreamResponse:
    """Nothing more of this connection: the peer sees a reset, or the end in the middle."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
