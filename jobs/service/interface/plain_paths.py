"""Paths as clients join them: with a slash at the end, or two slashes after `/v1`, they mean the same path."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_DOUBLED = re.compile(r"^/v1/{2,}")


class PlainPaths:
    """ASGI middleware that passes each request on under its plain path.

    A redirect would not do: clients lose the body of a POST on their way to the other address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            # In place: the middleware around this one reads the route from the same scope.
            scope["path"] = plain_path(scope["path"])
        await self._app(scope, receive, send)


def plain_path(path: str) -> str:
    """The path without slashes at its end and without doubled slashes after /v1; "/" stays."""
    return _DOUBLED.sub("/v1/", path).rstrip("/") or "/"
