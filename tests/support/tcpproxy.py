"""A TCP proxy on loopback that injects faults: it refuses, resets, breaks an answer off, or holds bytes back."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # linger for no time: close() sends a reset


class TcpProxy:
    """Forwards 127.0.0.1:`port` to a target port; one thread per direction of each connection."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._lock = threading.Lock()
        self._listener = self._bound(0)
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._resets_left = 0
        self._cut_after: int | None = None
        self._passes = threading.Event()
        self._passes.set()
        self._holds_from: bytes | None = None
        self.num_held = 0
        self.num_broken = 0
        self.up()

    @property
    def endpoint(self) -> str:
        """The URL of the server through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen (again, on the same port)."""
        self._listener.listen(128)
        self._spawn(self._accept, self._listener)

    def down(self) -> None:
        """Refuse new connections and reset open ones. The port stays bound, so that no other socket gets it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._listener.close()
        self._listener = self._bound(self.port)
        self.hang_up()

    def hold(self) -> None:
        """Let nothing pass: what is sent arrives when `release` is called, also if its sender has given up."""
        self._passes.clear()

    def hold_from(self, sent: bytes) -> None:
        """Let nothing pass from the first bytes on in which a client sends these."""
        with self._lock:
            self._holds_from = sent

    def release(self) -> None:
        """Let held bytes pass, and all later ones."""
        with self._lock:
            self._holds_from = None
            self._passes.set()

    def hang_up(self) -> None:
        """Reset all open connections."""
        with self._lock:
            doomed = list(self._open)
        for each in doomed:
            self._reset(each)

    def reset_next(self, count: int) -> None:
        """Reset all open connections, and the next `count` ones as soon as they are made."""
        with self._lock:
            self._resets_left = count
        self.hang_up()

    def cut_next_answer(self, after_bytes: int) -> None:
        """Reset the connection that first carries this many bytes back to its client; once."""
        with self._lock:
            self._cut_after = after_bytes

    def close(self) -> None:
        """End the proxy."""
        self.release()
        self.down()
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    @staticmethod
    def _bound(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        return listener

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # pyright: ignore[reportArgumentType]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                is_doomed = self._resets_left > 0
                self._resets_left -= is_doomed
                self.num_broken += is_doomed
            if is_doomed:
                self._reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                self._reset(client)
                continue
            with self._lock:
                self._open |= {client, server}
            self._spawn(self._pump, client, server, False)
            self._spawn(self._pump, server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        num_bytes = 0
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                num_bytes += len(chunk)
                if not is_answer:
                    self._hold_if_wanted(chunk)
                if not self._passes.is_set():
                    with self._lock:
                        self.num_held += 1
                    self._passes.wait()
                if is_answer and self._is_cut(num_bytes):
                    sink.sendall(chunk[: len(chunk) // 2])
                    break
                sink.sendall(chunk)
        self._reset(source)
        self._reset(sink)

    def _hold_if_wanted(self, chunk: bytes) -> None:
        with self._lock:
            if self._holds_from is not None and self._holds_from in chunk:
                self._passes.clear()

    def _is_cut(self, num_bytes: int) -> bool:
        with self._lock:
            if self._cut_after is None or num_bytes < self._cut_after:
                return False
            self._cut_after = None
            self.num_broken += 1
            return True

    def _reset(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in recv
            connection.close()
