"""service.yaml as typed values. Unknown keys are refused by name; every key has a default, so a service needs no file.

The checks here concern the file alone; `serve` checks before it starts whether the model is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.replica.receipt import ReplicaConfig
from ..spec.document import Document, Section
from ..spec.job import ClusterSpec, ModelSpec
from .admission import AdmissionLimits
from .interface.aliases import Aliases

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class HttpSpec(Section):
    """The address of the service. It needs a token unless it is a loopback address.

    Attributes:
        metrics_port: Port for Prometheus, if the service starts Ray itself; 0 for none
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    allow_origins: tuple[str, ...] = ()
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return self.host in LOOPBACK


class AliasesSpec(Section):
    """Other names that requests may use.

    Attributes:
        openai: Take the names of OpenAI's models and voices
        models: More names of the model
        voices: More names of voices, each with the voice that it means
    """

    openai: bool = True
    models: tuple[str, ...] = ()
    voices: dict[str, str] = Field(default_factory=dict)


class LimitsSpec(Section):
    """Limits of one request, and of the load of each replica; names ending in `_s` are seconds.

    If `max_streams` is null, it depends on the device. `batch_s` bounds the batches of a job that borrows the replicas:
    a stream that arrives during a batch waits for its end.
    """

    max_chars: Annotated[int, Field(ge=1, le=100_000)] = 4_096
    max_body_bytes: Annotated[int, Field(ge=1_000)] = 1_000_000
    max_streams: Annotated[int, Field(ge=1, le=1_000)] | None = None
    max_waiting: Annotated[int, Field(ge=0, le=10_000)] = 32
    max_wait_s: Annotated[float, Field(gt=0)] = 30.0
    first_audio_s: Annotated[float, Field(gt=0)] = 30.0
    idle_write_s: Annotated[float, Field(gt=0)] = 30.0
    total_s: Annotated[float, Field(gt=0)] = 900.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 256
    idle_text_s: Annotated[float, Field(gt=0)] = 30.0
    connection_s: Annotated[float, Field(gt=0)] = 3_600.0
    drain_s: Annotated[float, Field(gt=0)] = 60.0
    batch_s: Annotated[float, Field(gt=0)] = 0.1

    def limits(self, device: str) -> AdmissionLimits:
        """The limits of the application on a device ("cpu" or "cuda")."""
        return AdmissionLimits(
            max_chars=self.max_chars,
            max_body_bytes=self.max_body_bytes,
            max_streams=self.max_streams or (64 if device == "cuda" else 8),
            max_waiting=self.max_waiting,
            max_wait_s=self.max_wait_s,
            first_audio_s=self.first_audio_s,
            idle_write_s=self.idle_write_s,
            total_s=self.total_s,
            max_connections=self.max_connections,
            idle_text_s=self.idle_text_s,
            connection_s=self.connection_s,
        )


class ServiceSpec(Document):
    """A whole service file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "speechmill"
    model: ModelSpec = ModelSpec()
    cluster: ClusterSpec = ClusterSpec()
    http: HttpSpec = HttpSpec()
    limits: LimitsSpec = LimitsSpec()
    aliases: AliasesSpec = AliasesSpec()

    @field_validator("model")
    @classmethod
    def _speed_is_asked_for(cls, model: ModelSpec) -> ModelSpec:
        if model.speed != 1.0:
            raise ValueError("speed is named by each request, not by the service")
        return model

    @model_validator(mode="after")
    def _replicas_of_its_own(self) -> Self:
        if self.cluster.replicas == "service":
            raise ValueError("cluster.replicas: service is for jobs that borrow them; give a number, or auto")
        return self

    def model_config_on(self, device: str) -> ModelConfig:
        """The configuration of the model on a device ("cpu" or "cuda")."""
        model = self.model
        return ModelConfig(model.name, device, model.backend, model.voice, model.path, options=model.options)

    def aliases_of(self, info: ModelInfo) -> Aliases:
        """The aliases for a model.

        Raises:
            SpecError: An alias names no voice of the model
        """
        own = self.model.options.get("voices")
        return Aliases.of(
            info,
            openai=self.aliases.openai,
            models=self.aliases.models,
            voices=self.aliases.voices,
            own=tuple(map(str, own)) if isinstance(own, Mapping) else (),
        )

    def replica_config(self, model: ModelConfig) -> ReplicaConfig:
        """The configuration of the replicas."""
        batch_size = self.model.batch_size
        return ReplicaConfig(
            model=model,
            batch_rows=None if batch_size == "auto_max" else batch_size,
            vram_utilization=self.model.vram_utilization,
            batch_s=self.limits.batch_s,
            cpus=self.cluster.cpus_per_replica,
        )
