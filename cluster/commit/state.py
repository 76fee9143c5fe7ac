"""Where a machine of the protocol is."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a machine is."""

    COMPARE = auto()
    WRITE = auto()
    LIST = auto()
    READ = auto()
    DELETE = auto()
    LOOK = auto()
    DONE = auto()
    LOST = auto()
    STOPPED = auto()
    CHANGED = auto()
    DAMAGED = auto()
