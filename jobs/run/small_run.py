"""Which jobs are so small that Ray is not started for them: their replicas are plain processes of this machine.

Ray takes three to five seconds to start on an idle machine, ten rows of the embedded voice take less than one. The
replicas run the same code, and the pool supervises them in the same way. A job uses Ray where it needs what only Ray
has (GPUs, other machines, replicas of a service), where the start does not matter, and where Ray already runs.
"""

from __future__ import annotations

import math
import sys

from ...actors.device.machine import has_gpu, num_cores
from ...cluster.session import Resources, plan_replicas
from .prepare import ResolvedJob

MAX_BYTES = 8 * 2**20
"""Of all input files together; the rows of more are not counted."""
PROCESS_S = 2.0
"""Seconds of estimated work for which one more process is worth its start, where the number is left to us."""


def num_processes(job: ResolvedJob, device: str | None) -> int | None:
    """The number of processes that speak a small job; None for a job that needs Ray.

    Args:
        device: The device that the job or its output fix; None where the machine decides

    Raises:
        SpecError: The job wants more replicas than this machine has cores
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    cluster = job.spec.cluster
    if cluster.address != "local" or device == "cuda" or (device is None and has_gpu()) or _is_ray_here():
        return None
    if job.gate is not None and job.spec.quality.place.where == "actors":
        return None
    cost_s = _cost_of_few(job, cluster.ray_from_rows)
    if cost_s is None:
        return None
    here = Resources(gpus=0.0, cpus=num_cores(), is_local=True)
    plan = plan_replicas(here, cluster.replicas, "cpu", cluster.gpus_per_replica, cluster.cpus_per_replica)
    if cluster.replicas != "auto":
        return plan.num_replicas
    return min(plan.num_replicas, max(1, math.ceil(cost_s / PROCESS_S)))


def _cost_of_few(job: ResolvedJob, limit: int) -> float | None:
    """Estimated seconds of one replica for all rows; None for a corpus of `limit` rows or more."""
    if not limit or sum(file.size for file in job.corpus.files) > MAX_BYTES:
        return None
    block = job.corpus.stream().take(limit)
    if len(block) >= limit:
        return None
    return sum(map(job.cost.seconds, block.utterances))


def _is_ray_here() -> bool:
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()
