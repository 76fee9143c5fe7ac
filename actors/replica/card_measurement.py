"""What this replica takes of its GPU: measured once on a machine, while the replica loads and has the GPU for itself.

`cluster.gpus_per_replica: auto` decides by it, in the next run (`batcher.sharing`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from ..batcher.budget import Budget
from ..batcher.calibration import key_of
from ..batcher.card_cache import CardCache
from ..batcher.probes import Probes
from ..batcher.profile import Profile
from ..batcher.sharing import CardUse
from ..device.card import CardPoint, time_of
from ..device.memory import Memory, is_out_of_memory
from ..models.base import Model, ModelInfo
from .receipt import ReplicaConfig

logger = logging.getLogger(__name__)


def measure_card(
    config: ReplicaConfig, info: ModelInfo, memory: Memory, budget: Budget, points: Callable[[], Sequence[CardPoint]]
) -> CardUse | None:
    """Measure, unless it is known, and keep it. Nothing is measured on a CPU, or on a GPU that is shared.

    Args:
        points: Measures work of several sizes

    Returns:
        What is known now; None if nothing is
    """
    if config.model.device != "cuda":
        return None
    key, cache = key_of(config.model, info), CardCache()
    if (known := cache.get(key)) is not None or config.gpus < 1:
        return known
    with cache.measuring(key):
        if (known := cache.get(key)) is not None:  # another replica has measured while this one waited
            return known
        try:
            found = tuple(points())
        except Exception as error:
            # The figures are a convenience: a model that cannot speak here will say so when it speaks.
            logger.warning("what %s takes of the GPU is not known: %s", info.name, error)
            if is_out_of_memory(error):
                memory.release()
            return None
        if not found:
            return None
        use = CardUse(key, budget.total, budget.resident, found)
        cache.put(use)
    return use


def batch_points(model: Model, profile: Profile) -> list[CardPoint]:
    """Batches of the longest segments, with each number of rows that the profile has measured."""
    probes = Probes(model)
    longest = max(sample.shape.longest for sample in profile.samples)
    found: list[CardPoint] = []
    for sample in profile.samples:
        shape = sample.shape
        if shape.longest == longest:
            times = time_of(partial(model.speak, probes.batch(shape.rows, shape.longest)), profile.key.device)
            if times is not None:
                found.append(CardPoint(shape.rows, shape.cells, sample.peak_bytes, *times))
    return found
