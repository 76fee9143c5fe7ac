"""An HTTP proxy on loopback that injects faults: S3's errors, late answers, no answers.

It works on requests, `tcpproxy` on bytes. Signatures stay valid, because paths and headers pass unchanged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, without its body."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class _Fault:
    """A fault for the next `left` requests for which `when` is true."""

    when: Callable[[Asked], bool]
    status: int | None
    code: str
    left: int


def everything(_: Asked) -> bool:
    return True


class FaultyProxy:
    """Forwards 127.0.0.1:`port` to a target port; each request waits `delay_s` first."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.delay_s = 0.0
        self.num_asked = self.num_faults = self.num_under_way = 0
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        proxy = self

        class Handler(_Handler):
            faults = proxy

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """The URL of the server through the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, status: int, code: str, count: int = 1 << 30, when: Callable[[Asked], bool] = everything) -> None:
        """Answer the next `count` requests of a kind with an S3 error, and forward none of them."""
        with self._lock:
            self._faults.append(_Fault(when, status, code, count))

    def hang(self, count: int = 1 << 30, when: Callable[[Asked], bool] = everything) -> None:
        """Accept the next `count` requests of a kind and do not answer them, until `well`."""
        with self._lock:
            self._faults.append(_Fault(when, None, "", count))

    def well(self) -> None:
        """End all faults; hanging requests are broken off."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = threading.Event()

    def close(self) -> None:
        """End the proxy."""
        self.well()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def fault_of(self, asked: Asked) -> tuple[_Fault | None, threading.Event]:
        """The fault of a request, and the event that ends its hanging."""
        time.sleep(self.delay_s)
        with self._lock:
            self.num_asked += 1
            for fault in self._faults:
                if fault.left > 0 and fault.when(asked):
                    fault.left -= 1
                    self.num_faults += 1
                    return fault, self._released
            return None, self._released

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A request, from its last byte to its answer; counted in `num_under_way`."""
        with self._lock:
            self.num_under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.num_under_way -= 1


class QuietServer(ThreadingHTTPServer):
    """Threads that end with the test, and no word of clients that leave."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors: clients may disconnect at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faults: FaultyProxy

    def setup(self) -> None:
        super().setup()
        self._upstream = HTTPConnection("127.0.0.1", self.faults.target_port, timeout=60)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def do_PUT(self) -> None:
        """Handle a request; all methods share this."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.faults.under_way():
            self._answer(body)

    do_GET = do_POST = do_HEAD = do_DELETE = do_PUT  # noqa: N815

    def _answer(self, body: bytes) -> None:
        fault, released = self.faults.fault_of(Asked(self.command, self.path, dict(self.headers)))
        if fault is None:
            self._forward(body)
        elif fault.status is None:
            released.wait()
            self.close_connection = True
        else:
            said = f"<Error><Code>{fault.code}</Code><Message>made up</Message></Error>".encode()
            self._send(fault.status, {"Content-Type": "application/xml"}, said)

    def _forward(self, body: bytes) -> None:
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("expect", "connection"):
                self._upstream.putheader(name, value)
        self._upstream.endheaders(body)
        answer = self._upstream.getresponse()
        said = answer.read()
        hop_by_hop = ("transfer-encoding", "content-length", "connection")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in hop_by_hop}
        self._send(answer.status, headers, said, answer.getheader("Content-Length"))

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", length if length and self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
