"""A Ray node as a process: `python node_process.py head|worker OPTIONS`, the options of Ray's `RayParams` as JSON.

It is `ray start --block` without what tests do not need: a second or more of imports, and monitors. Only with
`include_dashboard` it has the agent that collects metrics, and a head an API server, with the modules that `speechmill
submit` calls, and the agent that makes environments. It waits for a node that starts
slowly, on a busy machine, where Ray gives up after 30 s. It prints that it is up, and ends when one of Ray's processes
has ended.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

AGENT_PORTS = ("dashboard_agent_listen_port", "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
"""Of a node's agents; the options name them all."""
UP = "the node is up"
"""Printed."""
_DASHBOARD_MODULES = "JobHead,NodeHead,StateHead"
_NO_AGENT = ("sh", "-c", "exec tail -f /dev/null")
"""The raylet ends with its agents; this one does nothing."""


def main(kind: str, options: str) -> int:
    """Start the node, and wait for the end of one of its processes."""
    import ray._private.utils
    from ray._private import services
    from ray._private.parameter import RayParams

    params = RayParams(
        no_monitor=True, include_log_monitor=False, min_worker_port=0, max_worker_port=0, **json.loads(options)
    )
    params.node_ip_address = services.resolve_ip_for_localhost(params.node_ip_address)
    if params.include_dashboard:
        services.start_ray_process = _with_few_modules(services.start_ray_process)
    else:
        services.start_api_server = lambda *_, **__: ("", None)
        services._build_python_executable_command_memory_profileable = _without(
            {"dashboard_agent", "runtime_env_agent"}, services._build_python_executable_command_memory_profileable
        )
        params.update(**dict.fromkeys(AGENT_PORTS[:3], 0))
    services.get_node = _patient(services.get_node)
    node = _node_class()(params, head=kind == "head", shutdown_at_exit=True, spawn_reaper=True)
    if kind == "head":
        ray._private.utils.write_ray_address(node.address, params.temp_dir)
    print(UP, flush=True)
    while not (dead := node.dead_processes()):
        time.sleep(0.5)
    print("ended:", dead)
    node.kill_all_processes(check_alive=False, allow_graceful=False)
    return 1


def _node_class() -> Any:
    """A node whose raylet does not wait for its agents, as it ends if they have not written their ports in 15 s."""
    import ray._raylet as raylet
    from ray._private.node import Node

    class Told(Node):
        def start_raylet(self, *arguments: Any, **named: Any) -> None:
            for name in AGENT_PORTS:
                file = getattr(raylet, f"{name.upper()}_NAME")
                port = getattr(self._ray_params, name) or -1  # as Ray's own agent tells that it offers nothing
                raylet.persist_port(self._session_dir, self._node_id, file, port)
            super().start_raylet(*arguments, **named)

    return Told


def _with_few_modules(start_process: Any) -> Any:
    """The dashboard has a process for each of its ten modules."""

    def start(command: list[str], kind: str, **named: Any) -> Any:
        more = [f"--modules-to-load={_DASHBOARD_MODULES}"] if kind == "dashboard" else []
        return start_process([*command, *more], kind, **named)

    return start


def _without(agents: set[str], interpreter: Any) -> Any:
    def command(kind: str, *arguments: Any, **named: Any) -> list[str]:
        return list(_NO_AGENT) if kind in agents else interpreter(kind, *arguments, **named)

    return command


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
