"""Counts of what the device was asked to do: operators, waits of the host, copies from the host."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Trace:
    """What was done while the trace was active, by all threads.

    Attributes:
        operators: Operators that were launched one by one, by name; views and allocations are no operators
        replays: Graphs that were replayed
        replayed: Operators within replayed graphs, by name
        syncs: Where the host waited for results: the operator, and the place in the package
        uploads: Where the host copied to the device and waited for the copy
        pinned: Where the host copied to the device from pinned memory, without waiting
    """

    operators: Counter[str] = field(default_factory=Counter[str])
    replays: int = 0
    replayed: Counter[str] = field(default_factory=Counter[str])
    syncs: Counter[str] = field(default_factory=Counter[str])
    uploads: Counter[str] = field(default_factory=Counter[str])
    pinned: Counter[str] = field(default_factory=Counter[str])

    @property
    def num_operators(self) -> int:
        """Operators launched one by one, and one for each replayed graph."""
        return self.operators.total() + self.replays


def place() -> str:
    """The file and line of the nearest caller outside of torch and this package."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if "/torch/" not in name and "/pretend_cuda/" not in name and "contextlib" not in name:
            return f"{'/'.join(name.split('/')[-3:])}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
