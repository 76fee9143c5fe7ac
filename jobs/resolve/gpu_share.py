"""The share of a GPU that each replica gets: as the job says, or as many on a GPU as gain (`auto`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from ...actors.batcher.calibration import options_text
from ...actors.batcher.card_cache import CardCache
from ...actors.batcher.sharing import MOST, share_card
from ...actors.models.base import ModelConfig, ModelInfo
from ...cluster.session import Resources
from ..spec.job import ClusterSpec


@dataclass(frozen=True, slots=True)
class GpuShare:
    """GPUs of a replica, and why.

    Attributes:
        gpus: A share of one GPU, or a whole number
        reason: Why so many replicas share a GPU, in words; "" where the job says it
    """

    gpus: float
    reason: str = ""


def gpu_share(
    cluster: ClusterSpec,
    describe: Callable[[], tuple[ModelConfig, ModelInfo]],
    utilization: float,
    resources: Resources | None = None,
    room: float = 1.0,
) -> GpuShare:
    """The share of each replica.

    Args:
        describe: Describes the model on a GPU; called for `auto` alone
        utilization: `model.vram_utilization`
        resources: What the cluster has; None where that is not known. Without a whole GPU there is nothing to share
        room: The share of each GPU that is for replicas

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
    """
    if cluster.gpus_per_replica != "auto":
        return GpuShare(cluster.gpus_per_replica)
    if resources is not None and resources.gpus < 1:
        return GpuShare(1.0)
    most = MOST if resources is None else _most(cluster, resources)
    config, info = describe()
    known = CardCache().latest(info.name, info.revision, info.backend, "cuda", options_text(config))
    sharing = share_card(known, utilization * room, most)
    return GpuShare(sharing.share(room), sharing.reason)


def _most(cluster: ClusterSpec, resources: Resources) -> int:
    """The most replicas on a GPU by the cores, and so that no GPU is left without one."""
    most = resources.cpus / (cluster.cpus_per_replica * resources.gpus)
    if isinstance(cluster.replicas, int):
        most = min(most, ceil(cluster.replicas / resources.gpus))
    return max(1, int(most + 1e-9))
