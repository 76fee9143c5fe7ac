"""A Ray node as a process: `python ray_node.py head|worker OPTIONS`, the options of Ray's `RayParams` as JSON.

It is `ray start --block` without what tests do not need: a second or more of imports, the monitors, and the API server
of a head without a dashboard. It waits for a node that starts slowly, on a busy machine, where Ray gives up after 30 s.
It prints that it is up, and ends when one of Ray's processes has ended.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

UP = "will block forever"
"""Printed when the node is up, by `ray start --block` as well."""


def main(kind: str, options: str) -> int:
    """Start the node, and wait for the end of one of its processes."""
    import ray._private.utils
    from ray._private import services
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    params = RayParams(
        no_monitor=True, include_log_monitor=False, min_worker_port=0, max_worker_port=0, **json.loads(options)
    )
    params.node_ip_address = services.resolve_ip_for_localhost(params.node_ip_address)
    if not params.include_dashboard:
        services.start_api_server = lambda *_, **__: ("", None)
    services.get_node = _patient(services.get_node)
    node = Node(params, head=kind == "head", shutdown_at_exit=True, spawn_reaper=True)
    if kind == "head":
        ray._private.utils.write_ray_address(node.address, params.temp_dir)
    print(UP, flush=True)
    while not (dead := node.dead_processes()):
        time.sleep(0.5)
    print("ended:", dead)
    node.kill_all_processes(check_alive=False, allow_graceful=False)
    return 1


def _patient(get_node: Any) -> Any:
    def get_node_at_last(*arguments: Any) -> Any:
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError:
                if not _has_raylet():
                    raise  # Ray tries again for as long as it likes, and gives up
            time.sleep(0.1)

    return get_node_at_last


def _has_raylet() -> bool:
    import psutil  # Ray brings one along

    raylets = [child for child in psutil.Process().children() if child.name() == "raylet"]
    return any(raylet.status() != psutil.STATUS_ZOMBIE for raylet in raylets)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
