"""Free ports of loopback for servers that bind them a moment later, or again after a stop.

They lie below those that the system gives to outgoing connections. So no connection takes a port in between, and none
that is tried in vain reaches itself. Each worker of a test run has ports of its own, and gives none twice in a row:
what one server is to bind, or has left for a moment, no other gets.
"""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from contextlib import ExitStack
from pathlib import Path

_LOWEST = 24_000
"""Ray's workers, and the servers of its client, have the ports below."""
_LEAST_ROOM = 2_000
_TRIES = 200
_chance = random.Random()
_given: deque[int] = deque(maxlen=100)
"""The last ones."""


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Distinct ports that no socket has bound at this moment."""
    highest = _first_of_connections()
    with ExitStack() as stack:
        found: list[int] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                _given.extend(found)
                return found
            # Where connections may have all ports there is nothing below: the system chooses.
            port = _chance.choice(_own(highest)) if highest - _LOWEST >= _LEAST_ROOM else 0
            each = stack.enter_context(socket.socket())
            try:
                each.bind((address, port))
            except OSError:
                continue
            if (port := each.getsockname()[1]) not in _given:
                found.append(port)
    raise RuntimeError(f"no {count} free ports of {address} from {_LOWEST} to {highest}")


def _own(highest: int) -> range:
    """The ports of this worker, or of the worker that has started this process."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    num_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return range(_LOWEST + worker % num_workers, highest, num_workers)


def _first_of_connections() -> int:
    """The lowest port that an outgoing connection may get."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
