"""A replica's process, as its driver sees it: called as an actor of Ray is, `replica.speak.remote(…)`.

Guaranteed: each call is answered once, by the replica, or by the error of its death.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import IO, Any

from ....actors.replica.receipt import ReplicaConfig
from ....errors import SpeechmillError

_PROGRAM = "import sys; sys.path[:] = {path!r}; from {module} import main; main({socket})"
_TAIL_BYTES = 4_096
_LAST_WORDS = 300


class ProcessDied(Exception):
    """The process of a replica has ended; the message says how."""


class CallRaised(Exception):
    """A call raised in its replica something that is no error of speechmill.

    Attributes:
        cause: The error, as text
    """

    def __init__(self, said: str, traceback: str) -> None:
        super().__init__(said)
        self.cause = RuntimeError(said)
        self.traceback = traceback


class ReplicaProcess:
    """A running process with a replica. Every method of `Replica` can be called as `process.METHOD.remote(…)`."""

    def __init__(self, config: ReplicaConfig) -> None:
        ours, theirs = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        module = f"{__package__}.child"
        with theirs:
            program = _PROGRAM.format(path=sys.path, module=module, socket=theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, "speechmill replica"],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=[theirs.fileno()],
                # As Ray does it: the libraries under a model use the cores that the replica is given.
                env={"OMP_NUM_THREADS": str(max(1, int(config.cpus)))} | os.environ,
            )
        self._connection = Connection(ours.detach())
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._unanswered: dict[int, Future[Any]] = {}
        self._death: ProcessDied | None = None
        self._connection.send(config)
        threading.Thread(target=self._read, name="replica answers", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(lambda *arguments: self._call(name, arguments))

    def kill(self) -> None:
        """End the process; what it was asked for is answered by its death."""
        self._process.kill()

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        answer: Future[Any] = Future()
        with self._lock:
            if self._death is not None:
                answer.set_exception(self._death)
                return answer
            number = next(self._numbers)
            self._unanswered[number] = answer
            # A process that has ended takes no call; the reader finds that out, and answers.
            with contextlib.suppress(OSError):
                self._connection.send((number, method, arguments))
        return answer

    def _read(self) -> None:
        """Give answers to their callers, until the process ends."""
        while True:
            try:
                number, is_answer, value = self._connection.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                answer = self._unanswered.pop(number)
            if is_answer:
                answer.set_result(value)
            else:
                answer.set_exception(value if isinstance(value, SpeechmillError) else CallRaised(*value))
        self._process.kill()  # a process that has closed its socket has nothing left to do
        status = self._process.wait()
        with self._lock:
            self._connection.close()
            self._death = ProcessDied(f"its process ended {_ending(status)}{self._last_words()}")
            unanswered, self._unanswered = self._unanswered, {}
        for answer in unanswered.values():
            answer.set_exception(self._death)

    def _last_words(self) -> str:
        """The last line that the process wrote, to follow how it ended."""
        with self._said as said:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
        return f'; it last wrote "{lines[-1][:_LAST_WORDS]}"' if lines else ""


class _Method:
    """A method that is called in the replica's process."""

    def __init__(self, call: Callable[..., Future[Any]]) -> None:
        self.remote = call


def _ending(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
