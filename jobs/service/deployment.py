"""The service as a Ray Serve application: each Serve replica answers HTTP and has one replica of the model beside it.

They are two processes, because a model computes and HTTP must not wait. Serve's configuration files name `build`:
`import_path: speechmill.jobs.service.deployment:build`, with `args` as in service.yaml.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.metrics import Counter, Gauge, Histogram

from ...actors.models.base import Model, ModelConfig, ModelInfo
from ...actors.models.registry import describe, model_class
from ...cluster.session import ReplicaPlan, Resources, plan_replicas, resources
from ...errors import SpecError
from ..resolve.gpu_share import GpuShare, gpu_share
from .app import create_app
from .metrics import Metrics
from .ray_synthesizer import RaySynthesizer
from .spec import ServiceSpec

logger = logging.getLogger(__name__)

TOKEN = "SPEECHMILL_API_TOKEN"
_FIRST_AUDIO_S = [0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0]
_HEALTH_S = 5.0
_HEALTH_TIMEOUT_S = 30.0


class Service:
    """One Serve replica: the application, and the model's replica that it streams from."""

    async def __init__(self, spec: Mapping[str, Any], plan: ReplicaPlan, token_sha256: str | None) -> None:
        self._spec = ServiceSpec.parse(spec, "service")
        self._token_sha256 = token_sha256
        model = self._spec.model_config_on(plan.device)
        self._device = model.device
        self._is_streaming = model_class(model.name).stream is not Model.stream
        self._speaker = RaySynthesizer(self._spec.name, self._spec.replica_config(model), plan)
        # Serve sends no request before this returns: ready means warm.
        await self._speaker.start()

    def __serve_build_asgi_app__(self) -> Any:
        """The application; Serve calls this before the first request."""
        return create_app(
            self._speaker,
            self._spec.limits.limits(self._device),
            self._token_sha256,
            chunk_chars=0 if self._is_streaming else self._speaker.info.split_chars,
            aliases=self._spec.aliases_of(self._speaker.info),
            metrics=ServeMetrics(),
            allow_origins=self._spec.http.allow_origins,
            on_stop=self._speaker.stop,
        )

    async def check_health(self) -> None:
        """Raise if the model's replica cannot be kept alive. Serve calls this every few seconds."""
        await self._speaker.check()


class ServeMetrics(Metrics):
    """The service's metrics as Ray metrics, which every node exports to Prometheus as `ray_speechmill_…`."""

    def __init__(self) -> None:
        self._requests = Counter("speechmill_requests", "Requests answered, by status.", ("status",))
        self._audio_s = Counter("speechmill_audio_seconds", "Seconds of audio streamed.")
        self._cancelled = Counter("speechmill_cancelled", "Streams whose client left before the end.")
        self._first_audio_s = Histogram(
            "speechmill_first_audio_seconds", "Seconds from the request to its first audio.", _FIRST_AUDIO_S
        )
        self._speaking = Gauge("speechmill_streams", "Streams that are spoken now.")
        self._waiting = Gauge("speechmill_streams_waiting", "Requests that wait for their turn.")
        self._connections = Gauge("speechmill_connections", "WebSockets that are open.")

    def answered(self, status: int) -> None:
        self._requests.inc(tags={"status": str(status)})

    def first_audio(self, seconds: float) -> None:
        self._first_audio_s.observe(seconds)

    def audio(self, seconds: float) -> None:
        if seconds > 0:
            self._audio_s.inc(seconds)

    def speaking(self, count: int) -> None:
        self._speaking.set(count)

    def waiting(self, count: int) -> None:
        self._waiting.set(count)

    def connected(self, count: int) -> None:
        self._connections.set(count)

    def cancelled(self) -> None:
        self._cancelled.inc()


def build(args: Mapping[str, Any]) -> Application:
    """The application for the keys of a service file, on this cluster. The bearer token comes from the environment.

    Raises:
        SpecError: The service file is wrong; the message names the key
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    spec = ServiceSpec.parse(args, "service")
    plan = plan_of(spec, resources(is_local=spec.cluster.address == "local"))
    return bound(spec, plan, read_token())


def plan_of(spec: ServiceSpec, found: Resources) -> ReplicaPlan:
    """The number of replicas, and the resources of each.

    Raises:
        SpecError: The service file is wrong; the message names the key
    """
    cluster = spec.cluster
    assert cluster.replicas != "service", "the specification refuses it"
    share = GpuShare(1.0)
    if spec.model.device != "cpu":
        share = gpu_share(cluster, lambda: _described(spec), spec.model.vram_utilization, found)
    plan = plan_replicas(found, cluster.replicas, spec.model.device, share.gpus, cluster.cpus_per_replica)
    if share.reason and plan.device == "cuda":
        logger.info("%s", share.reason)
    return plan


def _described(spec: ServiceSpec) -> tuple[ModelConfig, ModelInfo]:
    config = spec.model_config_on("cuda")
    return config, describe(config)


def bound(spec: ServiceSpec, plan: ReplicaPlan, token: str | None) -> Application:
    """The application with its planned replicas. Only the hash of the token is sent to them."""
    limits = spec.limits.limits(plan.device)
    digest = None if token is None else hashlib.sha256(token.encode()).hexdigest()
    deployment: Any = serve.deployment(
        name="Service",
        num_replicas=plan.num_replicas,
        # The application itself refuses with 429, so Serve lets in some more requests than there are places.
        max_ongoing_requests=2 * (limits.max_streams + limits.max_waiting) + limits.max_connections + 32,
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=_HEALTH_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        graceful_shutdown_timeout_s=spec.limits.drain_s,
    )(serve.ingress()(Service))
    return deployment.bind(spec.model_dump(mode="json"), plan, digest)


def read_token() -> str | None:
    """The bearer token of SPEECHMILL_API_TOKEN, or of the file that SPEECHMILL_API_TOKEN_FILE names; None for none.

    Raises:
        SpecError: The token is empty or cannot be sent in a header, or the file cannot be read
    """
    token, where = os.environ.get(TOKEN), TOKEN
    if token is None and (path := os.environ.get(f"{TOKEN}_FILE")) is not None:
        where = f"{TOKEN}_FILE"
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SpecError(f"{where}: {path} cannot be read: {error}") from error
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise SpecError(f"{where} holds no token: it has to be printable ASCII without spaces, and not empty")
    return token
