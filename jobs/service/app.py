"""The HTTP application: its paths, the key that they need, and their answers.

Guaranteed: every error has OpenAI's form; a key is compared by its hash, in constant time. The application does not use
Ray: a `Synthesizer` speaks.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...actors.models.base import ModelInfo
from ...errors import SpecError
from .admission import AdmissionGate, AdmissionLimits
from .body import read_body
from .encoding import formats_at
from .files import INDEX, PAGE, PageFiles
from .http_problem import HttpProblem, retry_after
from .metrics import Metrics
from .request import Offer, SpeechRequest, unknown_model
from .request_log import RequestLogs, visit_of
from .speech import SpeechService, SpokenResponse
from .synthesizer import Synthesizer

READY_S = 5.0
_READ = ["GET", "HEAD"]
_EXPOSED = ["Retry-After", "Server-Timing", "X-Sample-Rate", "X-Seed"]
_NO_STORE = {"Cache-Control": "no-store"}


def create_app(
    speaker: Synthesizer,
    limits: AdmissionLimits,
    token_sha256: str | None,
    *,
    chunk_chars: int,
    metrics: Metrics | None = None,
    allow_origins: Sequence[str] = (),
    on_start: Callable[[], Awaitable[object]] | None = None,
    on_stop: Callable[[], object] | None = None,
) -> FastAPI:
    """The application, to be served in one event loop.

    `app.state.drain()` admits no request any more, and `await app.state.drained()` returns when the last one has ended.

    Args:
        token_sha256: SHA-256 of the key that clients have to send, in hex; None: no key is needed
        chunk_chars: Characters that the model speaks at once; 0 if it has sound before a segment is done
        allow_origins: Origins whose pages may send requests, "*" for all; by default only the service's own page
        on_start: Called before the first request
        on_stop: Called after the last request

    Raises:
        SpecError: `token_sha256` is no SHA-256
    """
    info = speaker.info
    metrics = metrics or Metrics()
    service = SpeechService(
        speaker,
        limits,
        metrics,
        AdmissionGate(limits, metrics),
        Offer(info, formats_at(info.sample_rate), limits.max_chars),
    )
    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=_life(service.admission_gate, on_start, on_stop))
    app.state.drain = service.admission_gate.drain
    app.state.drained = service.admission_gate.drained
    app.include_router(_open_paths(service))
    app.include_router(_kept_paths(service, _Gate(token_sha256, service.admission_gate), chunk_chars))
    app.add_exception_handler(HttpProblem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
    if allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(allow_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(RequestLogs, metrics=metrics)
    return app


def _life(
    admission_gate: AdmissionGate,
    on_start: Callable[[], Awaitable[object]] | None,
    on_stop: Callable[[], object] | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None]:
        if on_start is not None:
            await on_start()
        try:
            yield
        finally:
            admission_gate.drain()
            if on_stop is not None:
                on_stop()

    return life


class _Gate:
    """Refuses requests without the key, and all requests while the service drains."""

    def __init__(self, token_sha256: str | None, admission_gate: AdmissionGate) -> None:
        if token_sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", token_sha256):
            raise SpecError("the key's SHA-256 must be 64 hexadecimal digits")
        self._wanted = token_sha256.lower() if token_sha256 is not None else None
        self._admission_gate = admission_gate

    async def __call__(self, request: Request) -> None:
        """Raise HttpProblem 401 or 503, or let the request pass."""
        if self._wanted is not None:
            given = [value for name, value in request.scope["headers"] if name == b"authorization"]
            scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
            is_known = hmac.compare_digest(hashlib.sha256(token.strip()).hexdigest(), self._wanted)
            if scheme.lower() != b"bearer" or not is_known:
                told = 'the key is wrong or missing; send it as "Authorization: Bearer KEY"'
                raise HttpProblem(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        self._admission_gate.check_open()


def _open_paths(service: SpeechService) -> APIRouter:
    """The paths that need no key: the page, and the state of the service."""
    router = APIRouter()
    files = PageFiles(PAGE)

    @router.api_route("/", methods=_READ)
    async def index(request: Request) -> Response:
        return files.response(INDEX, request)

    async def page(request: Request) -> Response:
        return files.response(request.scope["route"].name, request)

    # Each file has its own route, so that a wrong method (405) and a wrong path (404) get different answers.
    for file in files.names():
        for path in (f"/{file}", f"/page/{file}"):
            router.add_api_route(path, page, methods=_READ, name=file)

    @router.api_route("/health", methods=_READ)
    async def health() -> Response:
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    @router.api_route("/ready", methods=_READ)
    async def ready() -> Response:
        status = await _readiness(service)
        if status == "ready":
            return JSONResponse({"status": status}, headers=_NO_STORE)
        return JSONResponse({"status": status}, 503, headers={**_NO_STORE, **retry_after(1)})

    return router


async def _readiness(service: SpeechService) -> str:
    if service.admission_gate.is_draining:
        return "draining"
    try:
        async with asyncio.timeout(READY_S):
            is_ready = await service.speaker.is_ready()
    except Exception:
        is_ready = False
    return "ready" if is_ready else "loading"


def _kept_paths(service: SpeechService, gate: _Gate, chunk_chars: int) -> APIRouter:
    """The paths that need the key."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(gate)])
    info = service.offer.info
    model = {"id": info.name, "object": "model", "created": int(time.time()), "owned_by": "speechmill"}
    voices = _voices(service.offer, chunk_chars)

    @router.post("/audio/speech")
    async def speech(request: Request) -> Response:
        wanted = SpeechRequest.parse(await read_body(request, service.limits))
        return SpokenResponse(service, visit_of(request.scope), wanted, wanted.speech_input(service.offer))

    @router.api_route("/models", methods=_READ)
    async def models() -> Response:
        return JSONResponse({"object": "list", "data": [model]}, headers=_NO_STORE)

    @router.api_route("/models/{name:path}", methods=_READ)
    async def one_model(name: str) -> Response:
        if name != info.name:
            raise unknown_model(name, info)
        return JSONResponse(model, headers=_NO_STORE)

    @router.api_route("/voices", methods=_READ)
    async def all_voices() -> Response:
        return JSONResponse(voices, headers=_NO_STORE)

    return router


def _voices(offer: Offer, chunk_chars: int) -> dict[str, Any]:
    info: ModelInfo = offer.info
    return {
        "model": info.name,
        "default": info.default_voice,
        "voices": list(info.voices),
        "sample_rate": info.sample_rate,
        "formats": list(offer.formats),
        "speeds": list(info.speeds),
        "max_chars": offer.max_chars,
        "is_any_voice": not info.voices,
        "audio_char_s": info.audio_char_s,
        "chunk_chars": chunk_chars,
    }


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpProblem)
    visit_of(request.scope).ending = error.code
    return error.response()


async def _answer_http(request: Request, error: Exception) -> Response:
    """The answer to requests that the router refuses: unknown paths, and wrong methods."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    told = {
        404: "there is nothing at this path",
        405: f"this path does not take {request.method}",
    }.get(status, status.phrase)
    return HttpProblem(status, told, code=status.name.lower(), headers=error.headers).response()
