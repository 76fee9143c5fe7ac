"""The model that a job names: described, checked against the job, and configured for replicas."""

from __future__ import annotations

from dataclasses import replace

from ...actors.audio.encoding import format_of
from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.models.registry import describe
from ...actors.replica.receipt import ReplicaConfig
from ...errors import ModelError, SpecError
from ..spec.job import JobSpec


def describe_model(spec: JobSpec, device: str) -> tuple[ModelConfig, ModelInfo]:
    """The job's model on a device ("cpu" or "cuda"), checked.

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        SpecError: The job is wrong; the message names the key
    """
    config = ModelConfig(
        name=spec.model.name,
        device=device,
        backend=spec.model.backend,
        voice=spec.model.voice,
        path=spec.model.path,
        task=spec.task,
        options=spec.model.options,
    )
    info = describe(config)
    if spec.task not in info.tasks:
        what = "refines no text; use chattts, or leave out" if spec.task == "refine" else "does not speak; use"
        raise ModelError(f"model.name {spec.model.name} {what} task: {spec.task} (its tasks: {', '.join(info.tasks)})")
    if fault := info.voice_fault(info.default_voice):
        raise ModelError(f'model.voice "{info.default_voice}" {fault}')
    if fault := info.speed_fault(spec.model.speed):
        raise SpecError(f"model.speed is {spec.model.speed:g}; {fault}")
    if spec.task == "refine":
        return config, replace(info, audio_char_s=0.0)
    format_of(spec.output.audio).check(spec.output.sample_rate or info.sample_rate)
    return config, info


def replica_config(spec: JobSpec, model: ModelConfig, gpus: float = 1.0) -> ReplicaConfig:
    """The configuration of the replicas that a job starts.

    Args:
        gpus: GPUs of each; what starts them puts in what it has planned
    """
    batch_size = spec.model.batch_size
    return ReplicaConfig(
        model=model,
        batch_rows=None if batch_size == "auto_max" else batch_size,
        vram_utilization=spec.model.vram_utilization,
        cpus=spec.cluster.cpus_per_replica,
        gpus=gpus,
    )
