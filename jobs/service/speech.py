"""The answer to a request for speech: its turn, its first audio, its stream, and every early end.

Guaranteed: after any end, the place is free and the synthesizer's generator is closed. An incomplete speech never ends
as a complete one does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...actors.audio.encoding import pcm16
from ...actors.records.speech import AudioChunk, SpeechInput
from ...errors import ModelError, ReplicasLost, RowError, RowRejected
from .admission import AdmissionGate, AdmissionLimits
from .answer.client_stream import ClientGone, ClientStalled, ClientStream, unless_gone
from .answer.response import AudioResponse, EventResponse, StreamedResponse, WholeResponse, problem_event
from .http_problem import CLOSE, HttpProblem, retry_after
from .interface.request import Offer, SpeechRequest
from .metrics import Metrics
from .request_log import LOG, RequestLog, internal_error, log_error
from .synthesizer import Synthesizer

_SHOWN_CHARS = 80
REPLICA_RETRY_S = 5.0
CLOSE_S = 10.0
"""Seconds that a synthesizer may take to stop speaking a text; after them its place is free in any case."""


@dataclass(frozen=True, slots=True)
class SpeechService:
    """Objects that all requests share."""

    speaker: Synthesizer
    limits: AdmissionLimits
    metrics: Metrics
    admission_gate: AdmissionGate
    offer: Offer


class SpokenResponse(Response):
    """One speech, from waiting for its turn to its last byte."""

    def __init__(
        self, service: SpeechService, request_log: RequestLog, request: SpeechRequest, speech: SpeechInput
    ) -> None:
        super().__init__()
        self._service = service
        self._request_log = request_log
        self._request = request
        self._speech = speech
        self._sample_rate = service.offer.info.sample_rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, for as long as the client is there."""
        request_log, service = self._request_log, self._service
        request_log.num_chars = len(self._speech.text)
        reader = ClientStream(send, service.limits.idle_write_s, self._heard)
        try:
            with service.admission_gate.inside():
                await unless_gone(receive, self._answer(reader))
        except (ClientGone, ClientStalled, asyncio.CancelledError) as error:
            request_log.ending = str(error) or "cancelled"
            service.metrics.cancelled()
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if request_log.audio_s:
                service.metrics.audio(request_log.audio_s)

    def _heard(self) -> None:
        self._request_log.first_audio_s = self._request_log.now_s()
        self._service.metrics.first_audio(self._request_log.first_audio_s)

    async def _answer(self, reader: ClientStream) -> None:
        """Speak. An error becomes the status of the answer; once the answer has begun, its end is left out instead."""
        try:
            with closing(self._new_answer(reader)) as answer:
                await self._speak(answer)
                with own_fault():
                    await answer.finish()
        except (ClientGone, ClientStalled):
            raise
        except Exception as error:
            problem = problem_of(error, self._speech.voice)
            self._request_log.ending = problem.code
            if not reader.has_begun:
                await reader.respond(problem.response())
            elif self._request.stream_format == "sse":
                await reader.take(problem_event(problem))

    def _new_answer(self, reader: ClientStream) -> AudioResponse:
        kind = EventResponse if self._request.stream_format == "sse" else StreamedResponse
        if not self._request.is_streamed:
            kind = WholeResponse
        return kind(reader, self._request.response_format, self._sample_rate)

    async def _speak(self, answer: AudioResponse) -> None:
        """Take a place, pass all chunks to the answer, and free the place."""
        service, limits = self._service, self._service.limits
        service.admission_gate.check_open()
        async with (
            service.admission_gate.place() as queue_s,
            asyncio.timeout(limits.total_s),
            closing_chunks(service.speaker.speak(self._speech)) as chunks,
        ):
            async with asyncio.timeout(limits.first_audio_s):
                chunk: AudioChunk | None = await first_audio(chunks)
            timings = dict(chunk.timings)
            timings["queue"] = queue_s + timings.get("queue", 0.0)
            answer.begin(self._headers(timings))
            while chunk is not None:
                self._request_log.audio_s += len(chunk.samples) / self._sample_rate
                with own_fault():
                    await answer.take(pcm16(chunk.samples))
                # Let other requests run: neither a write nor a chunk that is ready gives up the event loop.
                await asyncio.sleep(0)
                chunk = await anext(chunks, None)

    def _headers(self, timings: Mapping[str, float]) -> dict[str, str]:
        parts = {"queue": 0.0, **timings}.items()
        headers = {
            "X-Sample-Rate": str(self._sample_rate),
            "X-Seed": str(self._speech.seed),
            "Server-Timing": ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in parts),
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            **self._meant(),
        }
        return headers | CLOSE if self._service.admission_gate.is_draining else headers

    def _meant(self) -> dict[str, str]:
        """What a request for an OpenAI service means here: headers, each only where it tells something."""
        request, info = self._request, self._service.offer.info
        found: dict[str, str] = {}
        if request.ignored:
            found["X-Ignored-Keys"] = ", ".join(request.ignored)
        if request.model not in ("", info.name):
            found["X-Model"] = quote(info.name)
        if request.voice in self._service.offer.aliases.voices:
            found["X-Voice"] = quote(self._speech.voice)
        return found


class BrokenOutput(Exception):
    """The model returned samples that are no audio."""


async def first_audio(chunks: AsyncGenerator[AudioChunk, None]) -> AudioChunk:
    """The first chunk with audio, and the timings up to it."""
    timings: dict[str, float] = {}
    async for chunk in chunks:
        timings.update(chunk.timings)
        if len(chunk.samples):
            return AudioChunk(chunk.samples, timings)
    raise RowRejected("no audio: the model gave 0 samples")


@contextmanager
def own_fault() -> Generator[None]:
    """Raise BrokenOutput for samples that cannot be encoded: unlike other RowErrors, it is not the client's fault."""
    try:
        yield
    except RowError as error:
        raise BrokenOutput from error


@asynccontextmanager
async def closing_chunks(
    chunks: AsyncGenerator[AudioChunk, None],
) -> AsyncGenerator[AsyncGenerator[AudioChunk, None]]:
    try:
        yield chunks
    finally:
        # If the client leaves now, that must neither cancel the closing, nor free the place before its end.
        task, cancelled = asyncio.create_task(_close(chunks)), None
        end_s = time.monotonic() + CLOSE_S
        while not task.done() and (left_s := end_s - time.monotonic()) > 0:
            try:
                await asyncio.wait((task,), timeout=left_s)
            except asyncio.CancelledError as error:
                cancelled = error
        task.cancel()
        if cancelled is not None:
            raise cancelled


async def _close(chunks: AsyncGenerator[AudioChunk, None]) -> None:
    try:
        await chunks.aclose()
    except Exception as error:
        log_error(error)


def problem_of(error: Exception, voice: str) -> HttpProblem:
    """The answer to an error, of a request for a voice. Errors of other modules become HTTP statuses only here."""
    match error:
        case HttpProblem():
            return error
        case RowError():
            return HttpProblem(400, str(error), param="input", code="text_cannot_be_spoken")
        case ReplicasLost():
            told = "what spoke this was lost; ask again"
            return HttpProblem(503, told, code="replica_lost", headers=retry_after(REPLICA_RETRY_S))
        case ModelError():
            # The message may name a path, so it goes to the log and not to the client.
            LOG.error("%s", error)
            how = f' with the voice "{voice[:_SHOWN_CHARS]}"' if voice else ""
            told = f"the model cannot speak this here{how}; the log of the service tells more"
            return HttpProblem(500, told, code="model_error")
        case TimeoutError():
            return HttpProblem(504, "no audio was there in time", code="timeout")
        case _:
            log_error(error)
            return internal_error()
