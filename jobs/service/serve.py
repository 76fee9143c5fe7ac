"""`speechmill serve`: runs the service on this machine or on a Ray cluster until a signal stops it.

Guaranteed: errors of the model, the token or the port are raised before a replica is started. After a stop, running
streams may take `limits.drain_s` seconds to end.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
import threading

from ...actors.models.registry import describe
from ...actors.replica.replica import ReplicaInfo
from ...cluster.pool.replica_source import replicas_of
from ...cluster.session import ReplicaPlan, session
from ...errors import ReplicasLost, SpecError
from .deployment import TOKEN, bound, plan_of, read_token
from .ending import end_service
from .spec import HttpSpec, ServiceSpec

_KEEP_ALIVE_S = 5
_ANSWER_S = 10.0


def run_service(spec: ServiceSpec, *, insecure: bool = False) -> None:
    """Serve until SIGTERM or SIGINT. Call it in the main thread.

    Args:
        insecure: Allow a service without a token on an address that other machines reach

    Raises:
        SpecError: The service file is wrong; the message names the key
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        ReplicasLost: No replica is left, or none can be started
    """
    token = read_token()
    if token is None and not spec.http.is_loopback and not insecure:
        raise SpecError(
            f"http.host {spec.http.host} lets others in, and there is no token: set {TOKEN} (or {TOKEN}_FILE), or "
            "serve without one by --insecure"
        )
    if spec.model.device != "auto":
        spec.aliases_of(describe(spec.model_config_on(spec.model.device)))
    is_local = spec.cluster.address == "local"
    if is_local:
        _refuse_taken(spec.http)
    with session(spec.cluster.address, spec.http.metrics_port) as found:
        plan = plan_of(spec, found)
        info = describe(spec.model_config_on(plan.device))
        spec.aliases_of(info)
        _say(f"Starting {plan.num_replicas} x {info.name} on {plan.device} …")
        try:
            _deploy(spec, plan, token)
            for line in _times(spec.name):
                _say(line)
            where = f"http://{spec.http.host}:{spec.http.port}"
            _say(f"Ready: {where} (page at /, OpenAI's API at {where}/v1{'' if token else ', no token'})")
            _stopped().wait()
            _say(f"Stopping: streams may end, {spec.limits.drain_s:g} s at most.")
        finally:
            end_service(spec.name, spec.http.port, spec.limits.drain_s, is_local=is_local)


def _stopped() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on; it replaces Ray's handler, which would end the process."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _deploy(spec: ServiceSpec, plan: ReplicaPlan, token: str | None) -> None:
    from ray import serve
    from ray.serve.config import HTTPOptions

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    http = HTTPOptions(
        host=spec.http.host,
        port=spec.http.port,
        keep_alive_timeout_s=_KEEP_ALIVE_S,
        # Of a WebSocket, too: its last utterance may begin right before it is closed.
        request_timeout_s=spec.limits.connection_s
        + spec.limits.max_wait_s
        + spec.limits.total_s
        + spec.limits.first_audio_s,
    )
    serve.start(http_options=http)
    try:
        serve.run(bound(spec, plan, token), name=spec.name, route_prefix="/")
    except RuntimeError as error:
        raise ReplicasLost(f"the service did not start: {_why(spec.name) or error}") from error


def _times(name: str) -> list[str]:
    """Lines with the starting times of the replicas that answer."""
    import ray
    from ray.exceptions import RayError

    lines: list[str] = []
    for number, actor in enumerate(replicas_of(name)):
        try:
            home: ReplicaInfo = ray.get(actor.warm.remote(), timeout=_ANSWER_S)
        except RayError:
            continue
        lines.append(f"  replica {number} on {home.host}: loaded in {home.load_s:.1f} s, warm in {home.warm_s:.1f} s")
    return lines


def _why(name: str) -> str:
    """Serve's reason for an application that did not start: the last line of its messages that names an error."""
    from ray import serve

    status = serve.status().applications.get(name)
    messages = [entry.message for entry in status.deployments.values()] if status else []
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line or "Lost" in line), lines[-1] if lines else "")


def _refuse_taken(http: HttpSpec) -> None:
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((http.host, http.port))
        except OSError as error:
            taken = " (another server has it)" if error.errno == errno.EADDRINUSE else ""
            raise SpecError(f"http.host {http.host}, http.port {http.port}: {error.strerror}{taken}") from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
