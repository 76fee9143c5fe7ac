"""One utterance on a WebSocket: its text goes in while its audio goes out.

Guaranteed: after any end, the place is free and the synthesizer's chunks are closed. `audio.done` says whether the
audio is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import closing

from ....actors.audio.encoding import pcm16
from ....actors.records.speech import AudioChunk
from ..answer.client_stream import ClientGone, ClientStalled
from ..answer.response import AudioResponse, StreamedResponse, WholeResponse
from ..http_problem import HttpProblem
from ..request_log import CLIENT_LEFT, RequestLog
from ..speech import SpeechService, closing_chunks, first_audio, own_fault, problem_of
from ..synthesizer import OpenSpeech
from .inbox import Inbox
from .messages import InputCommit, InputDone, InputText, SessionClose, SessionConfig
from .socket import NORMAL, POLICY, SocketAudio, SocketClose, SpeechSocket, close_of

OK = 200


class LiveUtterance:
    """One utterance, from the first part of its text to `session.done`.

    Args:
        index: Of the utterance in its session, from 0
    """

    def __init__(
        self, service: SpeechService, socket: SpeechSocket, inbox: Inbox, config: SessionConfig, index: int
    ) -> None:
        self._service, self._socket, self._inbox, self._config = service, socket, inbox, config
        self._names = {"utterance_index": index, "sentence_index": 0}
        self._first_audio = asyncio.timeout(None)
        self._timings: dict[str, float] = {}
        self._text: list[str] = []
        self._is_done = False
        self.audio = SocketAudio(socket, self._started, is_streamed=config.is_streamed)
        self.request_log = RequestLog()

    async def run(self, text: str) -> None:
        """Speak a text that begins so; returns once its end has arrived and its audio is sent.

        Raises:
            SocketClose: The connection ends with it
            ClientGone: The client has left
            ClientStalled: The client takes nothing
        """
        log, service = self.request_log, self._service
        log.status = CLIENT_LEFT
        try:
            await self._spoken(text)
        except (ClientGone, ClientStalled, SocketClose, asyncio.CancelledError) as error:
            log.ending = log.ending or str(error) or "cancelled"
            if not isinstance(error, SocketClose) or error.code == NORMAL:
                service.metrics.cancelled()
            raise
        finally:
            log.num_chars = sum(map(len, self._text))
            service.metrics.answered(log.status)
            if log.audio_s:
                service.metrics.audio(log.audio_s)
        await self._skip_text()

    async def _skip_text(self) -> None:
        """Pass over the rest of a text that has failed, or whose audio is whole before its end; as long as one takes.

        Raises:
            SocketClose: The end does not come in time
        """
        total_s = self._service.limits.total_s
        try:
            async with asyncio.timeout(total_s):
                while not self._is_done:
                    await self._next_text()
        except TimeoutError:
            told = f"the audio has ended, and no input.done came for {total_s:g} s"
            await self._socket.say_error(HttpProblem(408, told, code="request_timeout"), **self._names)
            raise SocketClose(POLICY, "request_timeout") from None

    async def _spoken(self, text: str) -> None:
        """Speak; an error is told to the client, and ends the connection if the client is not at fault."""
        log, audio = self.request_log, self.audio
        try:
            with closing(self._new_answer()) as answer:
                await self._speak(text, answer)
                with own_fault():
                    await answer.finish()
        except (ClientGone, ClientStalled, SocketClose):
            raise
        except Exception as error:
            problem = problem_of(error, self._config.speech.voice)
            log.ending = problem.code
            if not audio.has_begun:
                log.status = problem.status
                await self._socket.say_error(problem, **self._names)
            else:
                # As vLLM-Omni says it.
                await self._socket.say_error(problem, **self._names, partial_audio=True, action="discard")
                await self._done(is_broken=True)
            if (end := close_of(problem)) is not None:
                raise end from error
        else:
            await self._done(is_broken=False)

    def _new_answer(self) -> AudioResponse:
        kind = StreamedResponse if self._config.is_streamed else WholeResponse
        return kind(self.audio, self._config.format, self._service.offer.info.sample_rate)

    async def _speak(self, text: str, answer: AudioResponse) -> None:
        """Take a place, pass the text to the model and its audio to the answer, and free the place."""
        service, limits = self._service, self._service.limits
        async with service.admission_gate.place() as queue_s, asyncio.timeout(limits.total_s):
            self._timings["queue"] = queue_s
            speech = service.speaker.open(self._config.speech)
            async with closing_chunks(speech.chunks()) as chunks:
                await _until_spoken(self._feed(speech, text), self._hear(chunks, answer))

    async def _feed(self, speech: OpenSpeech, text: str | None) -> None:
        """Pass on the text until its end."""
        limits, num_chars = self._service.limits, 0
        while text is not None:
            num_chars += len(text)
            if num_chars > limits.max_chars:
                told = f"the utterance has more than {limits.max_chars:,} characters; end it by input.done before"
                raise HttpProblem(400, told, param="text", code="string_above_max_length")
            self._text.append(text)
            await speech.feed(text)
            text = await self._next_text()
        await speech.end()
        if not self.request_log.audio_s:
            self._first_audio.reschedule(asyncio.get_running_loop().time() + limits.first_audio_s)

    async def _next_text(self) -> str | None:
        """The next part of the text; None at its end."""
        idle_s = self._service.limits.idle_text_s
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    message = await self._inbox.get()
            except TimeoutError:
                told = f"no text came for {idle_s:g} s, and no input.done"
                await self._socket.say_error(HttpProblem(408, told, code="request_timeout"), **self._names)
                raise SocketClose(POLICY, "request_timeout") from None
            match message:
                case InputText():
                    return message.text
                case InputCommit():
                    told = {"type": "input.committed", **self._names, "commit_id": message.commit_id}
                    await self._socket.say(told)
                case InputDone():
                    self._is_done = True
                    return None
                case SessionClose():
                    raise SocketClose(NORMAL)
                case SessionConfig():
                    told = "session.config cannot change an utterance that has begun; send input.done first"
                    await self._socket.say_error(HttpProblem(400, told, code="invalid_value", param="type"))

    async def _hear(self, chunks: AsyncGenerator[AudioChunk, None], answer: AudioResponse) -> None:
        """Pass on the audio until its end."""
        log, rate = self.request_log, self._service.offer.info.sample_rate
        async with self._first_audio:
            chunk: AudioChunk | None = await first_audio(chunks)
            log.audio_s += len(chunk.samples) / rate
        self._timings["queue"] += chunk.timings.get("queue", 0.0)
        self._timings |= {name: seconds for name, seconds in chunk.timings.items() if name != "queue"}
        answer.begin({})
        while chunk is not None:
            with own_fault():
                await answer.take(pcm16(chunk.samples))
            await asyncio.sleep(0)  # see `SpokenResponse`
            chunk = await anext(chunks, None)
            log.audio_s += len(chunk.samples) / rate if chunk is not None else 0.0

    def _started(self) -> dict[str, object]:
        """`audio.start`: the audio follows."""
        log, config, info = self.request_log, self._config, self._service.offer.info
        log.status = OK
        log.first_audio_s = log.now_s()
        self._service.metrics.first_audio(log.first_audio_s)
        return {
            "type": "audio.start",
            **self._names,
            "sentence_text": "".join(self._text),
            "format": config.format,
            "sample_rate": info.sample_rate,
            "voice": config.speech.voice,
            "seed": config.speech.seed,
            "timings_ms": {name: round(seconds * 1000, 1) for name, seconds in self._timings.items()},
            "ignored_keys": list(config.ignored),
        }

    async def _done(self, *, is_broken: bool) -> None:
        told = {"type": "audio.done", **self._names, "total_bytes": self.audio.num_bytes, "error": is_broken}
        await self._socket.say(told)


async def _until_spoken(feeding: Coroutine[None, None, None], hearing: Coroutine[None, None, None]) -> None:
    """Do both until the audio has ended, whether the text has or not; what one of them raises ends the other."""
    heard, fed = asyncio.ensure_future(hearing), asyncio.ensure_future(feeding)
    try:
        await asyncio.wait((fed, heard), return_when=asyncio.FIRST_COMPLETED)
        if not heard.done():
            fed.result()
        await heard
    finally:
        for task in (fed, heard):
            task.cancel()
        await asyncio.gather(fed, heard, return_exceptions=True)
