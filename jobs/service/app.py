"""The HTTP application: its paths, and their answers.

Guaranteed: every error has OpenAI's form. The application does not use Ray: a `Synthesizer` speaks.
"""

from __future__ import annotations

import asyncio
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

from .admission import AdmissionGate, AdmissionLimits
from .answer.encoding import formats_at
from .files import INDEX, PAGE, PageFiles
from .gate import KeyGate
from .http_problem import HttpProblem, retry_after
from .interface.aliases import Aliases
from .interface.body import read_body
from .interface.catalog import Catalog
from .interface.openapi import describe_api
from .interface.plain_paths import PlainPaths
from .interface.request import Offer, SpeechRequest, is_served, unknown_model
from .metrics import Metrics
from .request_log import RequestLogs, visit_of
from .speech import SpeechService, SpokenResponse
from .synthesizer import Synthesizer

READY_S = 5.0
_READ = ["GET", "HEAD"]
_API = (
    "/v1/audio/speech",
    "/v1/models",
    "/v1/audio/models",
    "/v1/audio/voices",
    "/v1/voices",
)
_EXPOSED = ["Retry-After", "Server-Timing", "X-Ignored-Keys", "X-Model", "X-Sample-Rate", "X-Seed", "X-Voice"]
_NO_STORE = {"Cache-Control": "no-store"}


def create_app(
    speaker: Synthesizer,
    limits: AdmissionLimits,
    token_sha256: str | None,
    *,
    chunk_chars: int,
    aliases: Aliases | None = None,
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
        aliases: Other names of the model and its voices; None: OpenAI's names
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
        Offer(info, formats_at(info.sample_rate), limits.max_chars, aliases or Aliases.of(info)),
    )
    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=_life(service.admission_gate, on_start, on_stop))
    app.state.drain = service.admission_gate.drain
    app.state.drained = service.admission_gate.drained
    app.include_router(_open_paths(service, describe_api(service.offer, needs_key=token_sha256 is not None)))
    app.include_router(_kept_paths(service, KeyGate(token_sha256, service.admission_gate), chunk_chars))
    app.add_exception_handler(HttpProblem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
    if allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(allow_origins),
            allow_methods=["GET", "POST"],
            # Those that the request asks for: the clients' own headers are many, and differ.
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(PlainPaths)
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


def _open_paths(service: SpeechService, description: dict[str, Any]) -> APIRouter:
    """The paths that need no key: the page, the state of the service, and the description of the interface."""
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

    @router.api_route("/openapi.json", methods=_READ)
    async def openapi() -> Response:
        return JSONResponse(description, headers=_NO_STORE)

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


def _kept_paths(service: SpeechService, gate: KeyGate, chunk_chars: int) -> APIRouter:
    """The paths that need the key."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(gate)])
    catalog = Catalog(service.offer, chunk_chars, int(time.time()))

    @router.post("/audio/speech")
    async def speech(request: Request) -> Response:
        wanted = SpeechRequest.parse(await read_body(request, service.limits))
        # In a thread where a recording is decoded: it takes milliseconds, in which other streams go on.
        read = wanted.speech_input
        speech_input = await asyncio.to_thread(read, service.offer) if wanted.has_reference else read(service.offer)
        return SpokenResponse(service, visit_of(request.scope), wanted, speech_input)

    @router.api_route("/models", methods=_READ)
    async def models() -> Response:
        return JSONResponse(catalog.models(), headers=_NO_STORE)

    @router.api_route("/models/{name:path}", methods=_READ)
    async def one_model(name: str) -> Response:
        if not is_served(name, service.offer):
            raise unknown_model(name, service.offer.info)
        return JSONResponse(catalog.model, headers=_NO_STORE)

    @router.api_route("/audio/models", methods=_READ)
    async def audio_models() -> Response:
        return JSONResponse(catalog.audio_models(), headers=_NO_STORE)

    @router.api_route("/audio/voices", methods=_READ)
    async def audio_voices() -> Response:
        return JSONResponse(catalog.audio_voices(), headers=_NO_STORE)

    @router.api_route("/voices", methods=_READ)
    async def all_voices() -> Response:
        return JSONResponse(catalog.voices(), headers=_NO_STORE)

    return router


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpProblem)
    visit_of(request.scope).ending = error.code
    return error.response()


async def _answer_http(request: Request, error: Exception) -> Response:
    """The answer to requests that the router refuses: unknown paths, and wrong methods."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    known = f"/v1{request.scope['path']}"
    told = {
        404: f"there is nothing at this path{f'; did you mean {known}?' if known in _API else ''}",
        405: f"this path does not take {request.method}",
    }.get(status, status.phrase)
    return HttpProblem(status, told, code=status.name.lower(), headers=error.headers).response()
