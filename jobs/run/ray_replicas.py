"""The replicas of a run on a Ray cluster: how many, on which device, and the metrics that Ray exports of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

from ...actors.replica.receipt import ReplicaConfig
from ...cluster.pool import replica_source
from ...cluster.pool.replica_source import Borrowed, ReplicaSource
from ...cluster.session import ReplicaPlan, Resources, plan_replicas
from ...errors import SpecError
from ..resolve.gpu_share import GpuShare, gpu_share
from ..resolve.model import describe_model
from ..resolve.quality import beside_judges
from ..spec.job import JobSpec
from .metrics import Telemetry


@dataclass(frozen=True, slots=True)
class RayReplicas:
    """Where a run has its replicas from.

    Attributes:
        plan: What each replica holds; borrowed ones hold what their service gave them
        borrowed: The replicas of a service; None for replicas that the run starts
        reason: Why so many replicas share a GPU, in words; "" where the job says it, and on a CPU
    """

    plan: ReplicaPlan
    borrowed: Borrowed | None
    telemetry: Telemetry
    reason: str = ""

    @classmethod
    def of(cls, spec: JobSpec, resources: Resources, device: str | None, *, is_continued: bool) -> Self:
        """Find out what the cluster has room for.

        Args:
            device: The device that the job or its output fix; None where the cluster decides
            is_continued: The output was begun by an earlier run

        Raises:
            SpecError: The job is wrong; the message names the key
        """
        cluster = spec.cluster
        if is_continued and device == "cuda" and not resources.gpus and resources.is_local:
            raise SpecError(f"{spec.output.uri} was begun on GPUs and goes on only there; this machine has none")
        borrowed = Borrowed(cluster.service) if cluster.replicas == "service" else None
        device = borrowed.device if borrowed else device or "auto"
        free, room = beside_judges(spec, resources)
        share = GpuShare(1.0)
        if borrowed is None and device != "cpu":
            describe = partial(describe_model, spec, "cuda")
            share = gpu_share(cluster, describe, spec.model.vram_utilization, free, room)
        replicas = "auto" if borrowed else cluster.replicas
        plan = plan_replicas(free, replicas, device, share.gpus, cluster.cpus_per_replica)
        return cls(plan, borrowed, Telemetry(spec.name), share.reason if plan.device == "cuda" else "")

    @property
    def device(self) -> str:
        """The device of the replicas, "cpu" or "cuda"."""
        return self.plan.device

    def source(self, config: ReplicaConfig) -> ReplicaSource:
        """The replicas; those of a service have their own configuration."""
        return self.borrowed or replica_source.Spawned(self.plan, config)
