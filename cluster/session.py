"""Starting or joining Ray: the one place that knows how an address becomes a connection and resources a plan.

A local session belongs to this process: it stays on the loopback interface and ends with it. A session that
joins a cluster leaves the cluster as it was. Not known here: models, shards, what replicas do.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from ..actors.batcher.sharing import num_sharing
from ..errors import SpecError, SpeechmillError
from .ray_start import Waiting, start_ray

CONNECT_S = 10.0
NODE_S = 10.0
"""How long a node of this machine may still be starting while its head answers."""
JOIN_TRIES = 3
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Resources:
    """What the cluster has: GPUs and CPU cores, all nodes together."""

    gpus: float
    cpus: float
    is_local: bool


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """How many replicas, and what each holds."""

    num_replicas: int
    device: str
    gpus: float
    cpus: float


@contextmanager
def session(address: str, metrics_port: int = 0, waiting: Waiting | None = None) -> Generator[Resources]:
    """Start Ray here (`local`) or join a cluster (`auto`, `ray://host:port`, `host:port`) for the block's length.

    Whoever answered SIGTERM before answers it in the block, too.

    Args:
        metrics_port: Where a session that starts here exports its metrics to Prometheus; 0 for nowhere
        waiting: Told what is waited for, as long as it takes more than a second

    Raises:
        SpecError: If nothing answers at the address
        RayNotStarted: Ray does not start here
    """
    import ray

    is_local = address == "local"
    if ray.is_initialized():
        yield resources(is_local=is_local)
        return
    terminated = signal.getsignal(signal.SIGTERM)
    end = ray.shutdown
    try:
        if is_local:
            end = start_ray(metrics_port, waiting)
        else:
            if waiting is not None:
                waiting(f"joining the Ray cluster at {address}")
            _knock(address)
            _join(address)
    except SpeechmillError:
        raise
    except Exception as error:  # Ray raises nothing more special when it cannot join
        raise SpecError(
            f'cluster.address "{address}": no Ray cluster can be joined there: {_first_line(error)}. '
            "If it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH."
        ) from error
    try:
        # Ray has taken SIGTERM: it prints a stack, and while it waits it ends the process with status 1.
        if callable(terminated) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminated)
        yield resources(is_local=is_local)
    finally:
        end()


def _join(address: str) -> None:
    import ray
    import ray._private.ray_constants as constants

    if not address.startswith("ray://") and _is_on_loopback_alone(address):
        # Ray would look for it at the machine's other address.
        constants.ENABLE_RAY_CLUSTER = False
        os.environ.setdefault(constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0")
    for left in reversed(range(JOIN_TRIES)):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionAbortedError:
            # A busy head gives up on the server that it starts for each client.
            if not left:
                raise
        else:
            return


def _is_on_loopback_alone(address: str) -> bool:
    """Whether the Ray there is one that a run or a service of this machine has started (`ray_start`).

    Raises:
        ConnectionError: `auto` finds none
    """
    from ray._private.services import get_node_ip_address, get_ray_address_from_environment

    host, _, port = (get_ray_address_from_environment(address, None) or "").rpartition(":")
    if host not in LOOPBACK:
        return False
    try:
        socket.create_connection((get_node_ip_address(), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError):
        return True
    return False


def _knock(address: str) -> None:
    """Raise ConnectionError where Ray would end the whole process, or look in vain for a minute.

    The first when nothing listens at host:port, the second when this machine is no node of the cluster there.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"{getattr(error, 'strerror', None) or error}") from error
    until_s = time.monotonic() + NODE_S
    while not (address.startswith("ray://") or _has_node()):
        if time.monotonic() > until_s:
            raise ConnectionError(
                "it answers, and this machine is no node of it; from outside, name its client port (ray://host:10001), "
                "or send the job with `speechmill submit`"
            )
        time.sleep(0.5)


def _has_node() -> bool:
    """Whether a node of some Ray runs on this machine; Ray looks for its process, too."""
    return any(process.info["name"] == "raylet" for process in psutil.process_iter(["name"]))


def plan_replicas(
    resources: Resources, replicas: int | str, device: str, gpus_per_replica: float, cpus_per_replica: float
) -> ReplicaPlan:
    """Replicas that fit without sharing a core or a GPU more than asked.

    `auto` means one per GPU share where the cluster has GPUs, else one per CPU core. On this machine a number that does
    not fit is refused; a cluster may still grow, so there the number stands.

    Raises:
        SpecError: The job is wrong; the message names the key
    """
    if device == "auto":
        device = "cuda" if resources.gpus >= gpus_per_replica else "cpu"
    gpus = gpus_per_replica if device == "cuda" else 0.0
    fitting = int(resources.cpus / cpus_per_replica + 1e-9)
    if device == "cuda":
        fitting = min(fitting, _gpu_slots(resources.gpus, gpus))
    if replicas == "auto":
        if fitting < 1 and resources.is_local:
            raise SpecError(_too_few(resources, 1, device, gpus_per_replica, cpus_per_replica))
        return ReplicaPlan(max(fitting, 1), device, gpus, cpus_per_replica)
    wanted = int(replicas)
    if resources.is_local and wanted > fitting:
        raise SpecError(_too_few(resources, wanted, device, gpus_per_replica, cpus_per_replica))
    return ReplicaPlan(wanted, device, gpus, cpus_per_replica)


def _gpu_slots(gpus: float, per_replica: float) -> int:
    # Shares of one GPU do not add up across GPUs: 0.4 fits twice on each.
    if per_replica < 1:
        return int(gpus) * num_sharing(per_replica)
    return int(gpus / per_replica + 1e-9)


def _too_few(resources: Resources, wanted: int, device: str, gpus: float, cpus: float) -> str:
    need = f"{gpus:g} GPU and {cpus:g} CPU each" if device == "cuda" else f"{cpus:g} CPU each"
    return (
        f"cluster.replicas: {wanted} on {device} need {need}; this machine has {resources.cpus:g} CPU cores and "
        f'{resources.gpus:g} GPUs. Use "auto", or name a cluster in cluster.address.'
    )


def resources(*, is_local: bool) -> Resources:
    """What the cluster that this process is connected to has."""
    import ray

    total = ray.cluster_resources()
    return Resources(gpus=total.get("GPU", 0.0), cpus=total.get("CPU", 0.0), is_local=is_local)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
