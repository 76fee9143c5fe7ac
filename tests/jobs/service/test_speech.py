"""Speakers that do not let go at once: no place is lost by them, and none is disturbed while it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest

from speechmill.actors.models.base import ModelInfo
from speechmill.actors.records.speech import AudioChunk, SpeechInput
from speechmill.jobs.service.admission import AdmissionGate, AdmissionLimits
from speechmill.jobs.service.interface.request import Offer, SpeechRequest
from speechmill.jobs.service.metrics import Metrics
from speechmill.jobs.service.request_log import RequestLog
from speechmill.jobs.service.speech import SpeechService, SpokenResponse


class Stubborn:
    """A speaker that never ends, and does not let go either."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info

    async def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        try:
            while True:
                yield AudioChunk(np.zeros(8_000, np.float32))
        finally:
            await asyncio.Event().wait()


@pytest.mark.parametrize("stream", [b"true", b"false"])
def test_a_speaker_that_does_not_let_go_costs_no_place(
    tone: Any, monkeypatch: pytest.MonkeyPatch, stream: bytes
) -> None:
    monkeypatch.setattr("speechmill.jobs.service.speech.CLOSE_S", 0.01)
    info, limits, metrics = tone().info, AdmissionLimits(max_streams=1), Metrics()
    service = SpeechService(Stubborn(info), limits, metrics, AdmissionGate(limits, metrics), Offer(info, ("pcm",), 100))
    wanted = SpeechRequest.parse(b'{"input": "x", "response_format": "pcm", "stream": %s}' % stream)

    async def hear_some() -> RequestLog:
        request_log = RequestLog()

        async def send(_: Any) -> None:
            pass

        async def receive() -> Any:
            while request_log.audio_s < 10:
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        await SpokenResponse(service, request_log, wanted, wanted.speech_input(service.offer))(
            {"type": "http"}, receive, send
        )
        return request_log

    async def run() -> None:
        for _ in range(3):
            assert (await hear_some()).ending == "the client left"

    asyncio.run(run())


class Tidy(Stubborn):
    """One that takes its time to let go."""

    def __init__(self, info: ModelInfo) -> None:
        super().__init__(info)
        self.is_closing = asyncio.Event()
        self.is_done = False

    async def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        try:
            yield AudioChunk(np.zeros(8_000, np.float32))
            yield AudioChunk(np.full(8_000, np.nan, np.float32))
        finally:
            self.is_closing.set()
            for _ in range(20):
                await asyncio.sleep(0)
            self.is_done = True


def test_a_client_that_leaves_while_the_speaker_lets_go_does_not_disturb_it(tone: Any) -> None:
    """The cancelling once reached the speaker's own clean-up, which then never came to its end."""

    async def run() -> None:
        speaker, limits, metrics = Tidy(tone().info), AdmissionLimits(max_streams=1), Metrics()
        admission_gate = AdmissionGate(limits, metrics)
        service = SpeechService(speaker, limits, metrics, admission_gate, Offer(speaker.info, ("pcm",), 100))
        wanted = SpeechRequest.parse(b'{"input": "x", "response_format": "pcm"}')

        async def send(_: Any) -> None:
            pass

        async def receive() -> Any:
            await speaker.is_closing.wait()
            return {"type": "http.disconnect"}

        response = SpokenResponse(service, RequestLog(), wanted, wanted.speech_input(service.offer))
        await response({"type": "http"}, receive, send)
        assert speaker.is_done
        async with admission_gate.place():
            pass

    asyncio.run(run())
