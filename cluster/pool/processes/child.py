"""The process of a replica without Ray: it reads calls from a socket, and writes their answers.

Guaranteed: the process answers while it speaks, and ends as soon as its driver is gone, however that ended. This module
is a program: `main` is called in a fresh interpreter. It imports what a replica needs and nothing else.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from ....actors.replica.receipt import ReplicaConfig
from ....actors.replica.replica import Replica
from ....errors import SpeechmillError

IMMEDIATE = frozenset({"leave", "progress", "drop", "hand_back"})
"""Calls that take no time: they are answered in their order, before those that wait for the model."""
_MAX_CALLS = 32


def main(socket: int) -> None:
    """Answer the calls that come through an open socket, until its other end is closed.

    Args:
        socket: File descriptor
    """
    # Ctrl-C reaches all processes of a terminal; the driver decides when a replica ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(socket) as connection:
        config: ReplicaConfig = connection.recv()
        replica = Replica(config)
        sending = threading.Lock()
        calls = ThreadPoolExecutor(_MAX_CALLS, "call")
        while True:
            try:
                number, method, arguments = connection.recv()
            except (EOFError, OSError):
                # Threads may be at work for nobody any more.
                os._exit(0)
            if method in IMMEDIATE:
                _answer(connection, sending, number, replica, method, arguments)
            else:
                calls.submit(_answer, connection, sending, number, replica, method, arguments)


def _answer(
    connection: Connection, sending: threading.Lock, number: int, replica: Replica, method: str, arguments: Any
) -> None:
    """Do a call and send its number, whether it succeeded, and the answer, or what it raised."""
    try:
        answer: tuple[int, bool, Any] = number, True, getattr(replica, method)(*arguments)
    except SpeechmillError as error:
        answer = number, False, error
    except BaseException as error:
        answer = number, False, (f"{type(error).__name__}: {error}", traceback.format_exc())
    data = pickle.dumps(answer)
    with sending:
        connection.send_bytes(data)
