"""Nodes of Ray without what a run does not need, and without time limits that a busy machine exceeds.

Guaranteed: a node that is started in the block has no monitors, no API server, and no agent that collects metrics
unless metrics are asked for. Its scheduler (raylet) knows the ports of its agents before they run; else it waits 15 s
for them, and then ends. The start waits for the node until it is given up; Ray's own gives up after 30 s.

Ray has switches for some of these on its command line alone, and none for the others. So functions of Ray's own modules
are replaced in the block; a version that has them no more starts as it likes.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

_AGENT_PORTS = (
    "runtime_env_agent_port",
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
)
_NO_AGENT = ("sh", "-c", "exec tail -f /dev/null")
"""The scheduler ends with its agent; this one does nothing."""
_NOT_OFFERED = -1
"""For a port: what Ray's own agent writes where it offers nothing."""


@contextmanager
def lean_nodes(given_up: threading.Event, metrics_port: int | None = None) -> Generator[None]:
    """In the block, Ray starts lean nodes in this process.

    Args:
        given_up: Ends the waiting for a node that does not come up
        metrics_port: Where the node exports metrics to Prometheus; None for nowhere
    """
    from ray._private import node, parameter, services

    lean: dict[str, Any] = {"no_monitor": True, "include_log_monitor": False}
    replaced: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (parameter, "RayParams", lambda params: partial(params, **lean)),
        (services, "start_api_server", lambda _: lambda *_, **__: ("", None)),
        (services, "get_node", partial(_patient, given_up)),
        (node.Node, "start_raylet", partial(_told_of_its_ports, metrics_port)),
    ]
    if metrics_port is None:
        replaced.append((services, "_build_python_executable_command_memory_profileable", _without_agent))
    with ExitStack() as stack:
        for owner, name, made in replaced:
            if hasattr(owner, name):
                before = getattr(owner, name)
                stack.callback(setattr, owner, name, before)
                setattr(owner, name, made(before))
        yield


def _patient(given_up: threading.Event, get_node: Callable[..., Any]) -> Callable[..., Any]:
    def get_node_at_last(*arguments: Any, **named: Any) -> Any:
        while True:
            try:
                return get_node(*arguments, **named)
            except RuntimeError as error:
                if given_up.is_set():
                    raise TimeoutError(str(error)) from error
                time.sleep(0.1)

    return get_node_at_last


def _told_of_its_ports(metrics_port: int | None, start_raylet: Callable[..., Any]) -> Callable[..., Any]:
    def start(node: Any, *arguments: Any, **named: Any) -> Any:
        import ray._raylet as raylet

        persist = getattr(raylet, "persist_port", None)
        if persist is not None:
            chosen = _AGENT_PORTS[:1] if metrics_port is None else _AGENT_PORTS
            ports = dict(zip(chosen, _free_ports(len(chosen)), strict=True))
            if metrics_port is not None:
                ports["metrics_export_port"] = metrics_port
            node._ray_params.update(**ports)
            for name in _AGENT_PORTS:
                file = getattr(raylet, f"{name.upper()}_NAME")
                persist(node._session_dir, node._node_id, file, ports.get(name, _NOT_OFFERED))
        return start_raylet(node, *arguments, **named)

    return start


def _without_agent(interpreter: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def command(kind: str, *arguments: Any, **named: Any) -> list[str]:
        return list(_NO_AGENT) if kind == "dashboard_agent" else interpreter(kind, *arguments, **named)

    return command


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
