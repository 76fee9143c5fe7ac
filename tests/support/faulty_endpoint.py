"""A double of a speech endpoint on loopback, which fails as it is told to: statuses, hanging, cut and wrong answers.

What it speaks are the tones of the model `tone`, so the same request has the same audio. It counts what it is asked.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import soundfile

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import load
from speechmill.actors.records.utterance import Prepared, Segment

from .faultyproxy import QuietServer
from .waiting import HANG_S

RATE = 8_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request.

    Attributes:
        status: The status; 200 speaks
        body: In place of audio, where it is not None
        headers: Further headers
        rate: The rate that the audio says, Hz
        cut: Bytes of the body that are missing at its end, though its length was announced
        short: Bytes of the body that are missing, and its length says so
        is_chunked: The body comes in chunks, and if it is cut, without the last one
        hangs: Nothing is answered before `let_go`
        breaks: The connection is closed without an answer
        delay_s: Seconds before the answer
    """

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    rate: int = RATE
    cut: int = 0
    short: int = 0
    is_chunked: bool = False
    hangs: bool = False
    breaks: bool = False
    delay_s: float = 0.0


GOOD = Answer()


def told(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """An error of OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, {"Content-Type": "application/json", **named})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came: its body, its headers, its path, when it came."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    came_s: float


class FaultyEndpoint:
    """A running double.

    Args:
        answer: What becomes of a request, by its body and its number among those with the same input, from 0
    """

    def __init__(self, answer: Callable[[dict[str, Any], int], Answer] = lambda body, number: GOOD) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.most_at_once = self._at_once = 0
        self._inputs: Counter[str] = Counter()
        self._let_go = threading.Event()
        self._guard = threading.Lock()
        self._tone = load(ModelConfig("tone", options={"sample_rate": RATE, "audio_char_s": 0.002}))
        double = self

        class Handler(_Handler):
            endpoint = double

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def inputs(self) -> Counter[str]:
        """How often each text was asked for."""
        return Counter(request.body["input"] for request in self.requests)

    def speech(self, body: dict[str, Any]) -> Any:
        """The samples of a request."""
        seed, text = body.get("seed", 0), body["input"]
        segment = Segment(0, 0, text, Prepared.of(map(ord, text)), seed, "sine", body.get("speed", 1.0))
        return self._tone.speak([segment])[0]

    def let_go(self) -> None:
        """Hang no more."""
        self._let_go.set()

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def came(self, request: Request) -> Answer:
        with self._guard:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            number = self._inputs[request.body["input"]]
            self._inputs[request.body["input"]] += 1
        return self.answer(request.body, number)

    def went(self) -> None:
        with self._guard:
            self._at_once -= 1

    def wait(self) -> None:
        self._let_go.wait(HANG_S)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    endpoint: FaultyEndpoint

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        """Speak, or fail."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(body, dict(self.headers), self.path, time.monotonic())
        try:
            answer = self.endpoint.came(request)
            time.sleep(answer.delay_s)
            if answer.hangs:
                self.endpoint.wait()
        finally:
            # Before the client hears of it: its next request may come at once.
            self.endpoint.went()
        self._send(body, answer)

    def _send(self, body: dict[str, Any], answer: Answer) -> None:
        if answer.hangs or answer.breaks:
            self.close_connection = True
            return
        data = self._audio(body, answer) if answer.body is None else answer.body
        data = data[: len(data) - answer.short]
        sent = data[: len(data) - answer.cut]
        self.send_response_only(answer.status)
        kind = {"pcm": f"audio/pcm; rate={answer.rate}", "flac": "audio/flac"}
        headers = {"Content-Type": kind.get(body.get("response_format", ""), "audio/wav"), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(
            *(("Transfer-Encoding", "chunked") if answer.is_chunked else ("Content-Length", str(len(data))))
        )
        self.end_headers()
        if not answer.is_chunked:
            self.wfile.write(sent)
        else:
            for at in range(0, len(sent), 101):
                piece = sent[at : at + 101]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")
        if answer.cut:
            self.close_connection = True

    def _audio(self, body: dict[str, Any], answer: Answer) -> bytes:
        buffer, samples = io.BytesIO(), self.endpoint.speech(body)
        wanted = body.get("response_format", "wav")
        how = {"pcm": ("RAW", "PCM_16"), "flac": ("FLAC", "PCM_16")}.get(wanted, ("WAV", "PCM_16"))
        pcm = (samples * 32_767).round().astype("<i2")
        soundfile.write(buffer, pcm, answer.rate, format=how[0], subtype=how[1])
        return buffer.getvalue()
