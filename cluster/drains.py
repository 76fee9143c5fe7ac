"""Which nodes are going away: a preemption notice, or a node that is being drained.

Ray has no public call for it; what is asked here is what its own libraries ask (Data and Train), one short request. A
Ray that answers otherwise, or a connection that cannot ask (`ray://`), knows of no such node: then a replica works
until its node is gone, and nothing is lost by it.
"""

from __future__ import annotations

import contextlib


def draining_nodes() -> set[str]:
    """Ray's names of the nodes that are going away."""
    with contextlib.suppress(Exception):
        from ray._private import state

        return set(state.state.get_draining_nodes())
    return set()
