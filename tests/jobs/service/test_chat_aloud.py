"""The example that speaks what a chat endpoint writes, with a real endpoint that writes a word at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import speechmill
from speechmill.actors.audio.encoding import pcm16

ANSWER = "It depends on the wind. If it turns before noon, the ferry leaves at 2; otherwise wait for no. 5."
EXAMPLE = Path(speechmill.__file__).parent / "examples" / "chat_aloud.py"
KEY = "a key for tests"
pytestmark = pytest.mark.integration


class Chat(BaseHTTPRequestHandler):
    """OpenAI's chat completions, streamed: the first words, and the rest once they were heard."""

    may_go_on: threading.Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number, word in enumerate(ANSWER.split(" ")):
            if number == 8:
                self.may_go_on.wait()
            delta = {"choices": [{"index": 0, "delta": {"content": f" {word}" if number else word}}]}
            self.wfile.write(f"data: {json.dumps({'object': 'chat.completion.chunk', **delta})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def chatting(may_go_on: threading.Event) -> Iterator[str]:
    handler = type("Waiting", (Chat,), {"may_go_on": may_go_on})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_an_answer_is_heard_while_it_is_written(serve: Any, tmp_path: Path, until: Any) -> None:
    served, may_go_on = serve(key=KEY), threading.Event()
    file = tmp_path / "answer.wav"
    with chatting(may_go_on) as url:
        command = [sys.executable, str(EXAMPLE), "When?", "--chat", url, "--speech", served.url, "--wav", str(file)]
        env = os.environ | {"SPEECHMILL_API_TOKEN": KEY, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as program:
            until(lambda: served.counts.first_audio_s or program.poll() is not None)
            may_go_on.set()
            said, told = program.communicate()
    assert program.returncode == 0, told
    assert told == ANSWER
    assert "first audio after " in said
    wanted = b"".join(
        pcm16(piece).astype("<i2").tobytes() for piece in speechmill.say(iter([ANSWER]), model=served.speaker.model)
    )
    with wave.open(str(file)) as audio:
        assert (audio.getframerate(), audio.readframes(audio.getnframes())) == (8_000, wanted)
