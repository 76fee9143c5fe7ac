"""Free ports of loopback for servers that bind them a moment later, or again after a stop.

They lie below those that the system gives to outgoing connections. So no connection takes a port in between, and none
that is tried in vain reaches itself.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

_LOWEST = 20_000
"""Ray's workers have the ports below."""
_LEAST_ROOM = 2_000
_TRIES = 200
_chance = random.Random()


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Distinct ports that no socket has bound at this moment."""
    highest = _first_of_connections()
    with ExitStack() as stack:
        found: list[int] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                return found
            # Where connections may have all ports there is nothing below: the system chooses.
            port = _chance.randrange(_LOWEST, highest) if highest - _LOWEST >= _LEAST_ROOM else 0
            each = stack.enter_context(socket.socket())
            try:
                each.bind((address, port))
            except OSError:
                continue
            found.append(each.getsockname()[1])
    raise RuntimeError(f"no {count} free ports of {address} from {_LOWEST} to {highest}")


def _first_of_connections() -> int:
    """The lowest port that an outgoing connection may get."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
