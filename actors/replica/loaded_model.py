"""A loaded model with its batch tuner: the model is measured once on this machine, and its memory is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import ModelError
from ..batcher.budget import Budget
from ..batcher.calibration import calibrate, key_of
from ..batcher.profile import Profile
from ..batcher.profile_cache import ProfileCache
from ..batcher.sharing import CardUse
from ..batcher.tuner import Tuner
from ..device.card import CONTEXT_BYTES
from ..device.machine import num_cores
from ..device.memory import Memory, memory_of
from ..models.base import AutoregressiveModel, Model, ModelInfo
from ..models.registry import load
from .card_measurement import batch_points, measure_card
from .priority_lock import PriorityLock
from .receipt import ReplicaConfig
from .shared_clock import SharedClock

MAX_PENDING_CLIPS = 64
"""Clips that may wait for the encoder; then synthesis waits. It bounds the memory when the store is slow."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model and its batch tuner; profile and memory are None if it could not be measured.

    Attributes:
        card: What it takes of a GPU; None if that is not known
        meter: Shares the time among attempts that use the model at once
        turns: Orders the batches of jobs and streams, if the model speaks one batch at a time
    """

    model: Model
    tuner: Tuner
    profile: Profile | None
    memory: Memory | None
    card: CardUse | None = None
    meter: SharedClock = field(default_factory=SharedClock)
    turns: PriorityLock = field(default_factory=PriorityLock)


def tuned(config: ReplicaConfig) -> LoadedModel:
    """Load the model, measure it unless a profile is cached, and bound the memory of its batches.

    Raises:
        ModelError: The model cannot be loaded, or it does not fit into the memory with this batch size
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
    card = measure_card(config, model.info, memory, budget, lambda: batch_points(model, profile))
    return LoadedModel(model, tuner, profile, memory, card)


def _reserved(config: ReplicaConfig, model: AutoregressiveModel, memory: Memory) -> LoadedModel:
    """Reserve as many slots as the memory has room for, for a model that speaks step by step.

    Raises:
        ModelError: No slot fits, or fewer slots than the job wants
    """
    memory.release()
    budget = _budget(config, memory, memory.held())
    memory.cap(budget.bound)
    if not model.reserve(budget.usable, config.batch_rows):
        wanted = "one slot" if config.batch_rows is None else f"{config.batch_rows} slots (model.batch_size)"
        raise ModelError(f"{model.info.name}: {wanted} do not fit into the memory: {budget.explain()}")
    card = measure_card(config, model.info, memory, budget, model.card_points)
    return LoadedModel(model, Tuner(None, model.info.batch_limit, budget, config.batch_rows), None, memory, card)


def tuner_of(config: ReplicaConfig, info: ModelInfo, profile: Profile, budget: Budget) -> Tuner:
    """The batch tuner for a budget.

    Raises:
        ModelError: The budget has no room for a batch, or not for the batch size of the job
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
    """The memory budget of a replica.

    Args:
        total: Bytes of the device
        others: Bytes that other processes hold
    """
    beside = 0
    if profile.is_main_memory:
        # float32 samples of the longest segment, for each clip that may wait for an encoder
        beside = round(4 * profile.samples_per_cell * max_length * MAX_PENDING_CLIPS)
    is_main = profile.is_main_memory
    share, context = _share(config, is_main=is_main), _context(config, is_main=is_main)
    return Budget(total, others, config.vram_utilization, share, profile.resident_bytes, beside, context)


def _profile(model: Model, memory: Memory, config: ReplicaConfig) -> Profile | None:
    key, cache = key_of(config.model, model.info), ProfileCache()
    profile = cache.get(key)
    if profile is not None:
        return profile
    with cache.measuring(key):
        profile = cache.get(key)  # another replica may have measured the model while this one waited
        if profile is None:

            def usable(resident: int) -> int:
                return _budget(config, memory, resident).usable

            profile = calibrate(model, memory, usable, key)
            if profile is not None:
                cache.put(profile)
    return profile


def _budget(config: ReplicaConfig, memory: Memory, resident: int) -> Budget:
    """The memory budget at this moment."""
    share, context = _share(config, is_main=memory.is_main), _context(config, is_main=memory.is_main)
    return Budget(memory.total(), memory.others(), config.vram_utilization, share, resident, context=context)


def _context(config: ReplicaConfig, *, is_main: bool) -> int:
    """Memory of CUDA itself, where replicas share a GPU; of a whole GPU it is measured among what others hold."""
    return CONTEXT_BYTES if not is_main and config.gpus < 1 else 0


def _share(config: ReplicaConfig, *, is_main: bool) -> float:
    """The replica's share of the memory: of main memory its share of the cores, of a GPU its share of the GPU."""
    return min(1.0, config.cpus / num_cores() if is_main else config.gpus)
