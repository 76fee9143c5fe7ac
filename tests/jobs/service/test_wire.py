"""Clients that speak HTTP badly, slowly, all at once, or stop in the middle; by plain sockets."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from speechmill.jobs.service.admission import AdmissionLimits

LONG = "When the rain had stopped, we went out again. " * 80
END = b"0\r\n\r\n"


def post(body: bytes | dict[str, Any], *headers: str, length: int | None = None) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        "POST /v1/audio/speech HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        *([] if any(header.startswith("Transfer-Encoding") for header in headers) else [f"Content-Length: {length}"]),
        *headers,
    ]
    head = "\r\n".join(lines).replace("Content-Length: None", f"Content-Length: {len(data)}")
    return head.encode() + b"\r\n\r\n" + data


def read_until(client: socket.socket, end: bytes) -> bytes:
    """What arrives, up to and with some bytes; or all of it if the connection ends before."""
    seen = bytearray()
    part = b"so far nothing"
    while part and seen.find(end, max(0, len(seen) - len(part) - len(end))) < 0:
        try:
            part = client.recv(65_536)
        except ConnectionResetError:
            break
        seen += part
    return bytes(seen)


@pytest.fixture(scope="module")
def shared(serve_module: Any) -> Any:
    return serve_module()


def speech(**how: Any) -> dict[str, Any]:
    return {"input": "It was cold.", "response_format": "pcm", **how}


@pytest.mark.slow
def test_a_reader_that_takes_nothing_is_cut_off_and_costs_no_place(serve: Any, tone: Any, until: Any) -> None:
    served = serve(tone(audio_char_s=1.0), AdmissionLimits(max_streams=1, idle_write_s=0.1))
    for shape in ({}, {"stream_format": "sse"}, {"stream": False}):
        with served.connect(receive_bytes=4_096) as client:
            client.sendall(post(speech(input=LONG, **shape)))
            until(lambda: served.counts.first_audio_s)
            until(lambda: served.is_idle and served.counts.num_cancelled)
            assert not read_until(client, b"never").endswith(END)
        served.counts.first_audio_s.clear()
        served.counts.num_cancelled = 0
    assert served.speak(**speech(input="Hi."))[0] == 200


def test_a_slow_reader_that_goes_on_gets_everything(serve: Any, tone: Any) -> None:
    served = serve(tone(audio_char_s=1.0), AdmissionLimits(idle_write_s=5))
    with served.connect(receive_bytes=4_096) as client:
        client.sendall(post(speech(input=LONG[:300]), "Connection: close"))
        heard = read_until(client, b"never")
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.endswith(END)
    assert len(heard) > 250 * 16_000


@pytest.mark.parametrize(
    "shape", [{}, {"stream_format": "sse"}, {"stream": False}, {"response_format": "mp3"}], ids=str
)
def test_a_client_that_leaves_while_it_is_spoken_to(serve: Any, tone: Any, until: Any, shape: dict[str, Any]) -> None:
    served = serve(tone(batch_s=0.01), AdmissionLimits(max_streams=1))
    with served.connect() as client:
        client.sendall(post(speech(input=LONG, **shape)))
        until(lambda: served.speaker.num_streams == 1)
        if shape != {"stream": False}:
            read_until(client, b"\r\n\r\n")
    until(lambda: served.is_idle and served.counts.num_cancelled == 1)
    until(lambda: served.counts.statuses == ([499] if shape == {"stream": False} else [200]))


def test_a_client_that_leaves_while_it_waits(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1))
    served.speaker.is_open.clear()
    with served.connect() as first:
        first.sendall(post(speech()))
        until(lambda: served.counts.num_speaking == 1)
        with served.connect() as second:
            second.sendall(post(speech()))
            until(lambda: served.counts.num_waiting == 1)
        until(lambda: served.counts.num_waiting == 0)
        served.speaker.is_open.set()
        assert read_until(first, END).endswith(END)
    until(lambda: served.is_idle and len(served.counts.statuses) == 2)
    assert served.counts.statuses == [499, 200]
    assert served.speaker.num_begun == 1


def test_a_client_that_leaves_in_its_body(serve: Any, until: Any) -> None:
    served = serve()
    with served.connect() as client:
        client.sendall(post(b'{"input": ', length=100))
    until(lambda: served.counts.statuses == [499])
    assert served.speaker.num_begun == 0


def test_a_body_that_does_not_come(serve: Any) -> None:
    with serve(limits=AdmissionLimits(body_s=0.05)).connect() as client:
        client.sendall(post(b'{"input": ', length=100))
        answer = read_until(client, b"never")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in answer


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Any) -> None:
    served = serve(limits=AdmissionLimits(max_body_bytes=1_000))
    for request in (
        post(b"", length=10**30),
        post(b"", length=1_001),
        post(b"3e9\r\n" + b"x" * 1_001 + b"\r\n", "Transfer-Encoding: chunked"),
    ):
        with served.connect() as client:
            client.sendall(request)
            answer = read_until(client, b"never")
        assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
        assert answer.startswith(b"HTTP/1.1 413 ") or request == post(b"", length=10**30)
        assert b"connection: close" in answer.lower()
    assert served.speak(**speech())[0] == 200


def test_a_chunked_body(shared: Any) -> None:
    data = json.dumps(speech()).encode()
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:5], data[5:6], data[6:])) + END
    with shared.connect() as client:
        client.sendall(post(parts, "Transfer-Encoding: chunked"))
        answer = read_until(client, b"\r\n" + END)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_byte_by_byte(shared: Any) -> None:
    with shared.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(speech()):
            client.send(bytes([byte]))
        assert read_until(client, b"\r\n" + END).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_on_one_connection_one_after_the_other_and_all_at_once(shared: Any) -> None:
    with shared.connect() as client:
        for _ in range(2):
            client.sendall(post(speech()))
            assert read_until(client, b"\r\n" + END).count(b"HTTP/1.1 200 OK\r\n") == 1
    with shared.connect() as client:
        client.sendall(post(speech()) + post(b"{") + post(speech(), "Connection: close"))
        heard = read_until(client, b"never")
    assert [heard.count(line) for line in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 Bad", b"\r\n" + END)] == [2, 1, 2]


def test_a_client_may_ask_before_it_sends_its_body(shared: Any) -> None:
    data = json.dumps(speech()).encode()
    with shared.connect() as client:
        client.sendall(post(b"", "Expect: 100-continue", length=len(data)))
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        client.sendall(data)
        assert read_until(client, b"\r\n" + END).startswith(b"HTTP/1.1 200 OK\r\n")


GARBAGE = [
    b"\r\n\r\n",
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
    b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n",
    b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 300,
]


@pytest.mark.parametrize("sent", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_is_no_request_harms_nobody(shared: Any, sent: bytes) -> None:
    with shared.connect() as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        read_until(client, b"never")
    assert shared.speak(**speech())[0] == 200
