"""Nodes that are going away, by a preemption notice or because they are being drained.

Ray has no public call for this. The function makes the short request that Ray's own libraries make (Data and Train). If
Ray answers in another way, or the connection does not allow the request (`ray://`), no such node is found. Then a
replica works until its node is gone, and its rows are spoken again, as after any death.
"""

from __future__ import annotations

import contextlib
import math
import time


def draining_nodes() -> dict[str, float]:
    """The nodes that are going away, by Ray's names, and the seconds left to each; infinite if it has no deadline.

    Deadlines are times of the head node's clock.
    """
    with contextlib.suppress(Exception):
        from ray._private import state

        deadlines_ms = state.state.get_draining_nodes()
        return {node: at_ms / 1000 - time.time() if at_ms else math.inf for node, at_ms in deadlines_ms.items()}
    return {}
