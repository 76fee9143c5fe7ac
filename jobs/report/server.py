"""`speechmill report --serve`: the page, and every row and clip of the output behind it.

Guaranteed: it answers GET and HEAD alone, gives nothing but rows and clips of this output, and names no other address.
A browser is answered only if it asks for a name of this machine, so that no other site can read the corpus through it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...actors.audio.encoding import FORMATS
from ...errors import JobError, RunStopped, SpecError
from .browse import Browser, RowPage, RowQuery
from .page import as_json

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_MAX_QUERY = 500


def report_app(page: bytes, browser: Browser, host: str) -> Starlette:
    """The application that serves a page and the rows behind it."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def index(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=_HEADERS)

    def rows(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "")[:_MAX_QUERY] for name in ("q", "voice", "status", "after")}
        try:
            found = browser.find(RowQuery(asked["q"], asked["voice"], asked["status"], asked["after"]))
        except ValueError:
            return Response("after is no place in this output", 400, _HEADERS, "text/plain")
        return JSONResponse(_as_json(found), headers=_HEADERS)

    def clip(request: Request) -> Response:
        key, row = request.query_params.get("part", ""), request.query_params.get("row", "")
        if not re.fullmatch("[0-9]{1,18}", row):
            return Response(f"row {row[:40]!r} is no number", 400, _HEADERS, "text/plain")
        record, data = browser.clip(key, int(row))
        audio = FORMATS.get(record.audio_format or "")
        return _ranged(request, data, audio.mime if audio else "application/octet-stream")

    def lost(_: Request, error: Exception) -> Response:
        return Response(str(error), 404 if isinstance(error, JobError) else 503, _HEADERS, "text/plain")

    handlers: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {JobError: lost, RunStopped: lost}
    hosts = ["localhost", "127.0.0.1", "[::1]"] if _is_loopback(host) else ["*"]
    return Starlette(
        routes=[Route("/", index), Route("/rows", rows), Route("/clip", clip)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        exception_handlers=dict(handlers),
    )


def serve_report(page: bytes, browser: Browser, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        SpecError: The address cannot be had
    """
    import uvicorn

    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        say(f"Ready: http://{shown}:{listener.getsockname()[1]}/ (Ctrl-C ends it)")
        config = uvicorn.Config(
            report_app(page, browser, host), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        # uvicorn ends in order and then raises the signal once more.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def check_host(host: str, *, insecure: bool) -> None:
    """Raise SpecError for an address that other machines reach, unless that is wanted."""
    if not _is_loopback(host) and not insecure:
        raise SpecError(
            f"--host {host} shows the corpus to other machines, and there is no password: add --insecure if that is "
            "wanted, or keep 127.0.0.1 and forward the port, as ssh -L does"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SpecError(f"--host {host} --port {port}: {error.strerror or error}; --port 0 takes a free one") from error
    return listener


def _as_json(found: RowPage) -> dict[str, object]:
    from urllib.parse import urlencode

    rows = [
        as_json(record) | {"clip": f"clip?{urlencode({'part': key, 'row': record.row})}" if record.audio else ""}
        for key, record in found.rows
    ]
    return {"rows": rows, "next": found.next, "searched": f"{found.num_searched:,}", "unread": list(found.unread)[:10]}


def _ranged(request: Request, data: bytes, mime: str) -> Response:
    """The bytes that are asked for: browsers seek in audio by ranges."""
    from starlette.responses import Response

    headers = _HEADERS | {"Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or not any(match.groups()):
        return Response(data, 200, headers, mime)
    first, last = match.groups()
    begin = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last) + 1 if first and last else len(data), len(data))
    if begin >= end:
        return Response(b"", 416, headers | {"Content-Range": f"bytes */{len(data)}"}, mime)
    return Response(data[begin:end], 206, headers | {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"}, mime)
