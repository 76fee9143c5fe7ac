"""The application with a real model in this process, behind a real server on a free port of 127.0.0.1.

serve   start one: `serve(speaker, limits, …)`; .url .port .speaker .app .counts .ask() .connect() .openai()
tone    a speaker of the model `tone`, 8 kHz, with options
until   wait for something that another thread does
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import uvicorn
from support.waiting import HANG_S, eventually
from websockets.sync.client import ClientConnection, connect

from speechmill.actors.models.base import Model, ModelConfig, ModelInfo
from speechmill.actors.models.registry import load
from speechmill.actors.records.speech import AudioChunk, SpeechInput
from speechmill.actors.records.text_channel import MOST_WAITING_CHARS, TextChannel
from speechmill.actors.replica.streaming import speak_stream
from speechmill.jobs.service.admission import AdmissionLimits
from speechmill.jobs.service.app import create_app
from speechmill.jobs.service.metrics import Metrics

if TYPE_CHECKING:
    import openai  # a second, so not while tests are collected

KEY = "a key for tests"


def wait_until(is_so: Callable[[], bool]) -> None:
    eventually(is_so, every_s=0.002)


class LocalSpeaker:
    """A model that speaks in threads of this process, a few pieces ahead of who listens.

    num_streams generators that are running

    Attributes:
        is_open: Cleared, nobody hears a first piece
        failures: Errors to raise, by the number of pieces given before
        stays_at: The number of pieces after which nothing comes any more
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.is_warm = True
        self.is_open = threading.Event()
        self.is_open.set()
        self.failures: dict[int, Exception] = {}
        self.stays_at: int | None = None
        self.num_streams = 0
        self.num_begun = 0
        self.most_streams = 0

    @property
    def info(self) -> ModelInfo:
        return self.model.info

    async def is_ready(self) -> bool:
        return self.is_warm

    def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        return self.hear(speech, speech.text)

    def open(self, speech: SpeechInput, /) -> LocalOpenSpeech:
        return LocalOpenSpeech(self, speech)

    async def hear(self, speech: SpeechInput, text: str | Iterable[str]) -> AsyncGenerator[AudioChunk, None]:
        queue: asyncio.Queue[Any] = asyncio.Queue(4)
        is_left = threading.Event()
        thread = threading.Thread(target=self._work, args=(speech, text, queue, asyncio.get_running_loop(), is_left))
        self.num_begun += 1
        self.num_streams += 1
        self.most_streams = max(self.most_streams, self.num_streams)
        try:
            while not self.is_open.is_set():
                await asyncio.sleep(0.002)
            thread.start()
            num_given = 0
            while num_given != self.stays_at or await asyncio.Event().wait():
                item = self.failures.get(num_given) or await queue.get()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield AudioChunk(item, {} if num_given else {"text": 0.25, "speech": 0.5})
                num_given += 1
        finally:
            is_left.set()
            if isinstance(text, TextChannel):
                text.close()
            while thread.is_alive():
                while not queue.empty():
                    queue.get_nowait()
                await asyncio.sleep(0.001)
            self.num_streams -= 1

    def _work(
        self,
        speech: SpeechInput,
        text: str | Iterable[str],
        queue: asyncio.Queue[Any],
        loop: asyncio.AbstractEventLoop,
        is_left: threading.Event,
    ) -> None:
        def give(item: Any) -> None:
            asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

        try:
            how = {"voice": speech.voice, "seed": speech.seed, "speed": speech.speed}
            for wave in speak_stream(self.model, text, reference=speech.reference, **how):
                if is_left.is_set():
                    return
                give(wave)
            give(None)
        except Exception as error:
            give(error)


class LocalOpenSpeech:
    """A speech whose text arrives, of a `LocalSpeaker`."""

    def __init__(self, speaker: LocalSpeaker, speech: SpeechInput) -> None:
        self._speaker, self._speech = speaker, speech
        self._channel = TextChannel(MOST_WAITING_CHARS)
        self._channel.feed(speech.text)

    async def feed(self, text: str, /) -> None:
        self._channel.feed(text)
        has_room, loop = asyncio.Event(), asyncio.get_running_loop()
        self._channel.when_room(lambda: loop.call_soon_threadsafe(has_room.set))
        await has_room.wait()

    async def end(self) -> None:
        self._channel.end()

    def chunks(self) -> AsyncGenerator[AudioChunk, None]:
        return self._speaker.hear(self._speech, self._channel)


class Counts(Metrics):
    """What the service told of itself."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.first_audio_s: list[float] = []
        self.audio_s: list[float] = []
        self.num_cancelled = self.num_speaking = self.num_waiting = self.most_speaking = self.num_connected = 0

    def answered(self, status: int) -> None:
        self.statuses.append(status)

    def first_audio(self, seconds: float) -> None:
        self.first_audio_s.append(seconds)

    def audio(self, seconds: float) -> None:
        self.audio_s.append(seconds)

    def speaking(self, count: int) -> None:
        self.num_speaking, self.most_speaking = count, max(count, self.most_speaking)

    def waiting(self, count: int) -> None:
        self.num_waiting = count

    def connected(self, count: int) -> None:
        self.num_connected = count

    def cancelled(self) -> None:
        self.num_cancelled += 1


class Served:
    """A running service."""

    def __init__(self, speaker: LocalSpeaker, limits: AdmissionLimits, key: str | None, **how: Any) -> None:
        self.speaker, self.counts = speaker, Counts()
        digest = hashlib.sha256(key.encode()).hexdigest() if key is not None else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = create_app(
            speaker, limits, digest, chunk_chars=400, metrics=self.counts, on_start=self._starts, **how
        )
        # A small buffer on the server's side, so that few bytes make a reader slow.
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        wait_until(lambda: self._server.started)

    def close(self) -> None:
        self.speaker.is_open.set()
        self._server.should_exit = True
        self._thread.join()

    @property
    def is_idle(self) -> bool:
        """Whether every place is free, every generator closed, and no WebSocket open."""
        counts = self.counts
        return (self.speaker.num_streams, counts.num_speaking, counts.num_waiting, counts.num_connected) == (0,) * 4

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """Call something of the application where it runs; what it returns, awaited."""

        async def run() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(HANG_S)

    async def _starts(self) -> None:
        self._loop = asyncio.get_running_loop()

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request on a connection of its own; a body that is no bytes goes as JSON."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)) as connection:
            if body is not None:
                headers.setdefault("Content_Type", "application/json")
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def speak(self, **wanted: Any) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.ask("POST", "/v1/audio/speech", wanted)

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        """A socket to the server; with a small buffer, if asked for."""
        client = socket.socket()
        client.settimeout(HANG_S)
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.connect(("127.0.0.1", self.port))
        return client

    def live(self, key: str | None = None, **how: Any) -> ClientConnection:
        """A WebSocket of speech."""
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        url = f"ws://127.0.0.1:{self.port}/v1/audio/speech/stream"
        how = {"additional_headers": headers, "open_timeout": HANG_S, "close_timeout": HANG_S, "proxy": None, **how}
        return connect(url, **how)

    def openai(self, key: str = KEY, **how: Any) -> openai.OpenAI:
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=HANG_S, **how)

    def async_openai(self) -> openai.AsyncOpenAI:
        import openai

        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, timeout=HANG_S)


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    yield from _server()


@pytest.fixture(scope="module")
def serve_module() -> Iterator[Serve]:
    """The same for tests that leave no trace, so that they can share one."""
    yield from _server()


def _server() -> Iterator[Serve]:
    running: list[Served] = []

    def start(
        speaker: LocalSpeaker | None = None, limits: AdmissionLimits | None = None, key: str | None = None, **how: Any
    ) -> Served:
        running.append(Served(speaker or local_tone(), limits or AdmissionLimits(), key, **how))
        return running[-1]

    yield start
    for served in running:
        served.close()


def local_tone(**options: Any) -> LocalSpeaker:
    return LocalSpeaker(load(ModelConfig("tone", options=options)))


@pytest.fixture
def tone() -> Callable[..., LocalSpeaker]:
    return local_tone


@pytest.fixture(scope="session")
def hibari() -> LocalSpeaker:
    return LocalSpeaker(load(ModelConfig("hibari")))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture(scope="session")
def read_aac() -> Callable[[bytes], np.ndarray]:
    """A reader of whole ADTS streams: float32 [num_samples]. The package writes AAC and does not read it."""

    def read(data: bytes) -> np.ndarray:
        with av.open(io.BytesIO(data)) as container:
            return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

    return read
