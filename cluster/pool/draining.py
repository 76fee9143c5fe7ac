"""Which nodes are going away: a preemption notice, or a node that is being drained.

Ray has no public call for it; what is asked here is what its own libraries ask (Data and Train), one short request. A
Ray that answers otherwise, or a connection that cannot ask (`ray://`), knows of no such node: then a replica works
until its node is gone, and nothing is lost by it.
"""

from __future__ import annotations

import contextlib
import math
import time


def draining_nodes() -> dict[str, float]:
    """Ray's names of the nodes that are going away, and the seconds that each has left; infinite where none are named.

    The deadline is told by the clock of the head.
    """
    with contextlib.suppress(Exception):
        from ray._private import state

        deadlines_ms = state.state.get_draining_nodes()
        return {node: at_ms / 1000 - time.time() if at_ms else math.inf for node, at_ms in deadlines_ms.items()}
    return {}
