"""A model made ready to be batched: loaded, measured once on this machine, its memory bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import ModelError
from ..batcher.budget import Budget
from ..batcher.calibration import calibrate, key_of
from ..batcher.profile import Profile
from ..batcher.profile_cache import ProfileCache
from ..batcher.tuner import Tuner
from ..device.machine import num_cores
from ..device.memory import Memory, memory_of
from ..models.base import AutoregressiveModel, Model, ModelInfo
from ..models.registry import load
from .priority_lock import PriorityLock
from .receipt import ReplicaConfig
from .shared_clock import SharedClock

MAX_PENDING_CLIPS = 64
"""Clips that may wait for the encoder before synthesis does: bounds memory when the store is slow."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model with the choice of its batches; profile and memory are None if it could not be measured.

    Attributes:
        meter: Whose time it was, where several attempts use the model at once
        turns: Whose turn it is, where jobs and streams use a model that speaks one batch at a time
    """

    model: Model
    tuner: Tuner
    profile: Profile | None
    memory: Memory | None
    meter: SharedClock = field(default_factory=SharedClock)
    turns: PriorityLock = field(default_factory=PriorityLock)


def tuned(config: ReplicaConfig) -> LoadedModel:
    """Load the model, measure it unless that was done before, and bound what its batches may take.

    Raises:
        ModelError: Also for a model or a batch size that does not fit into the memory
    """
    model = load(config.model)
    memory = model.memory() or memory_of(config.model.device)
    if isinstance(model, AutoregressiveModel):
        return _reserved(config, model, memory)
    profile = _profile(model, memory, config)
    if profile is None:
        return LoadedModel(
            model, Tuner(None, model.info.batch_limit, None, config.batch_rows, config.batch_s), None, None
        )
    budget = budget_of(config, profile, model.info.max_length, memory.total(), memory.others())
    tuner = tuner_of(config, model.info, profile, budget)
    memory.cap(budget.bound)
    return LoadedModel(model, tuner, profile, memory)


def _reserved(config: ReplicaConfig, model: AutoregressiveModel, memory: Memory) -> LoadedModel:
    """A model that speaks step by step, with as many slots as its memory has room for.

    Raises:
        ModelError: For none
    """
    memory.release()
    share = _share(config, is_main=memory.is_main)
    budget = Budget(memory.total(), memory.others(), config.vram_utilization, share, memory.held())
    memory.cap(budget.bound)
    if not model.reserve(budget.usable, config.batch_rows):
        wanted = "one slot" if config.batch_rows is None else f"{config.batch_rows} slots (model.batch_size)"
        raise ModelError(f"{model.info.name}: {wanted} do not fit into the memory: {budget.explain()}")
    return LoadedModel(model, Tuner(None, model.info.batch_limit, budget, config.batch_rows), None, memory)


def tuner_of(config: ReplicaConfig, info: ModelInfo, profile: Profile, budget: Budget) -> Tuner:
    """The choice of batches under a budget.

    Raises:
        ModelError: If it leaves no room for any
    """
    if not budget.usable:
        raise ModelError(
            f"{info.name} leaves no memory for batches: {budget.explain()}. Use a larger model.vram_utilization, "
            "fewer replicas on the device, or a device with more memory."
        )
    tuner = Tuner(profile, info.batch_limit, budget, config.batch_rows, config.batch_s)
    tuner.check(info.max_length)
    return tuner


def budget_of(config: ReplicaConfig, profile: Profile, max_length: int, total: int, others: int) -> Budget:
    """What a replica may hold: `total` bytes of the device, of which `others` are taken."""
    beside = 0
    if profile.is_main_memory:
        # float32 samples of the longest segment, for each clip that may wait for an encoder
        beside = round(4 * profile.samples_per_cell * max_length * MAX_PENDING_CLIPS)
    share = _share(config, is_main=profile.is_main_memory)
    return Budget(total, others, config.vram_utilization, share, profile.resident_bytes, beside)


def _profile(model: Model, memory: Memory, config: ReplicaConfig) -> Profile | None:
    key, cache = key_of(config.model, model.info), ProfileCache()
    profile = cache.get(key)
    if profile is not None:
        return profile
    with cache.measuring(key):
        profile = cache.get(key)  # another replica may have measured it while this one waited
        if profile is None:

            def usable(resident: int) -> int:
                share = _share(config, is_main=memory.is_main)
                return Budget(memory.total(), memory.others(), config.vram_utilization, share, resident).usable

            profile = calibrate(model, memory, usable, key)
            if profile is not None:
                cache.put(profile)
    return profile


def _share(config: ReplicaConfig, *, is_main: bool) -> float:
    """Of main memory a replica has a part like its part of the cores; of a GPU, what it was given of it."""
    return min(1.0, config.cpus / num_cores() if is_main else config.gpus)
