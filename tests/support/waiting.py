"""Waiting in tests: for what has to happen, however long a busy machine takes; the limit is for what hangs.

Not known here: what is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

HANG_S = 600.0
"""What has not come by then never will: only a test that fails waits so long. Below pytest's own limit."""

T = TypeVar("T")


def eventually(happens: Callable[[], T], what: str = "it", every_s: float = 0.05) -> T:
    """Ask until the answer is true; that answer. Fails, saying `what`, when it hangs."""
    end_s = time.monotonic() + HANG_S
    while True:
        found = happens()
        if found:
            return found
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(every_s)
