"""Ray nodes on loopback as processes of their own (`node_process.py`), as on the machines of a cluster.

A node needs no token unless its environment says so. The end of its block ends it and its children, by pid.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .node_process import AGENT_PORTS, UP
from .ports import free_ports
from .waiting import eventually

NODE = str(Path(__file__).parent / "node_process.py")
START_TRIES = 3
NODE_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "RAY_gcs_server_port_wait_time_s": "300",
    "RAY_gcs_server_request_timeout_seconds": "300",
}
"""The environment of every node in a test: no token, long timeouts for a busy machine; no process early, none nice.

Ray's client server forks beside threads of gRPC. Where gRPC looks after forks, every second server that it forks for a
client ends at once, and the client is told so 40 s later.
"""
_NOT_OURS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        address: Address of the cluster, host:port
        url: URL of the dashboard; a head with a dashboard has it
        folder: A folder from which the workers can import; a head has it
        env: Environment of this process with the variables of `environment`
    """

    process: psutil.Popen
    address: str
    url: str
    folder: Path
    env: dict[str, str]

    def family(self) -> set[int]:
        """The pids of the node's processes."""
        return {child.pid for child in self.process.children(recursive=True)}


def clean_environment() -> dict[str, str]:
    """The environment of this process, without variables that lead to a Ray of its user."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_OURS}


@contextmanager
def head(
    num_cpus: int = 2,
    *,
    has_dashboard: bool = False,
    python: str = sys.executable,
    **environment: str,
) -> Iterator[Node]:
    """The first machine of a cluster; it and its children run by `python`."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Unix sockets below it have 107 bytes at most
    (dashboard,) = free_ports(1)
    options = {
        "node_ip_address": "127.0.0.1",
        "gcs_server_port": 0,
        **_agent_ports(),
        "dashboard_host": "127.0.0.1",
        "dashboard_port": dashboard,
        "include_dashboard": has_dashboard,
        "num_cpus": num_cpus,
        "temp_dir": str(folder / "ray"),
        "object_store_memory": 100_000_000,
    }
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # With more machines to come, Ray would turn 127.0.0.1 into the network card's address; a dashboard is alone.
        alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if has_dashboard else {}
        command = [python, "-P", NODE, "head", json.dumps(options)]
        process = stack.enter_context(
            _started(folder, command, alone | environment, dashboard if has_dashboard else None)
        )
        address = (folder / "ray" / "ray_current_cluster").read_text().strip()
        url = f"http://127.0.0.1:{dashboard}" if has_dashboard else ""
        yield Node(process, address, url, folder, environment)


@contextmanager
def worker(of: Node, num_cpus: int = 1, **environment: str) -> Iterator[Node]:
    """A further machine of the head's cluster."""
    options = {
        "node_ip_address": "127.0.0.1",
        "gcs_address": of.address,
        **_agent_ports(),
        "num_cpus": num_cpus,
        "object_store_memory": 80_000_000,
    }
    with _started(of.folder, [sys.executable, "-P", NODE, "worker", json.dumps(options)], environment) as process:
        yield Node(process, of.address, "", of.folder, environment)


@contextmanager
def client_server(of: Node) -> Iterator[str]:
    """The server of Ray's client for a cluster; its address, ray://host:port."""
    (port,) = free_ports(1)
    module = ["-P", "-m", "ray.util.client.server", "--mode=proxy", "--host=127.0.0.1", f"--port={port}"]
    # It asks that agent for the environments that clients bring; here none brings one.
    where = [f"--address={of.address}", "--runtime-env-agent-address=http://127.0.0.1:1"]
    env = clean_environment() | NODE_ENVIRONMENT | {"PYTHONPATH": str(of.folder)} | of.env
    log = of.folder / "client.log"
    with log.open("wb") as stream:
        process = psutil.Popen([sys.executable, *module, *where], stdout=stream, stderr=subprocess.STDOUT, env=env)
    try:
        eventually(lambda: process.poll() is not None or _answers(port), "Ray's client server", every_s=0.1)
        assert process.poll() is None, log.read_text(errors="replace")
        yield f"ray://127.0.0.1:{port}"
    finally:
        _end(process)


@contextmanager
def _started(
    folder: Path, command: list[str], environment: dict[str, str], dashboard_port: int | None = None
) -> Iterator[psutil.Popen]:
    # As after `activate`: the node's `python` has Ray.
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {"PATH": path, "PYTHONPATH": str(folder)}
    env = clean_environment() | NODE_ENVIRONMENT | fixed | environment
    for left in reversed(range(START_TRIES)):
        log = folder / f"{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            process = psutil.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=env)
        try:
            if _is_up(process, log) and (dashboard_port is None or _has_dashboard(dashboard_port)):
                yield process
                return
        finally:
            _end(process)
        # On a busy machine Ray gives up after 30 s.
        assert left, f"Ray did not start: {log.read_text(errors='replace')}"


def _end(process: psutil.Popen) -> None:
    if process.poll() is None:
        family = [*process.children(recursive=True), process]
        for member in family:
            with suppress(psutil.Error):
                member.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(family[:-1], timeout=10)


def _is_up(process: psutil.Popen, log: Path) -> bool:
    """Wait until the node has started or ended; True if it has started."""

    def is_decided() -> bool:
        return process.poll() is not None or UP in log.read_text(errors="replace")

    eventually(is_decided, "a Ray node that starts, or ends", every_s=0.1)
    return process.poll() is None


def _has_dashboard(port: int) -> bool:
    """Whether the dashboard answers within about a minute; Ray may have given it up."""
    for _ in range(600):
        if _answers(port):
            return True
        time.sleep(0.1)
    return False


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _agent_ports() -> dict[str, int]:
    return dict(zip(AGENT_PORTS, free_ports(len(AGENT_PORTS)), strict=True))
