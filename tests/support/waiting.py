"""Waiting in tests for an event, however long a busy machine takes; the limit only ends a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

HANG_S = 600.0
"""Seconds to wait; only a failing test waits so long. It is below pytest's own limit."""

T = TypeVar("T")


def eventually(happens: Callable[[], T], what: str = "it", every_s: float = 0.05) -> T:
    """Call `happens` until its answer is true, and return that; after the limit, fail with a message about `what`."""
    end_s = time.monotonic() + HANG_S
    while True:
        found = happens()
        if found:
            return found
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(every_s)
