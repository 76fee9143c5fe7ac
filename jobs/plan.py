"""What a job would do, found by reading its corpus: rows, shards, audio, time. Starts no Ray, touches no GPU."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ..actors.segment import Failure
from ..cluster.session import Resources, num_local_cpus, plan_replicas
from ..cluster.sharding import CostModel, shard_window
from .job import describe_model, open_corpus
from .planner import windows
from .spec import JobSpec

MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """The job on paper; seconds are estimates from the model's own figures.

    num_rejected   rows that will fail for what their columns hold; `examples` are the first of them
    replica_s      seconds of one replica; `wall_s` of all `num_replicas` together
    """

    num_rows: int
    num_rejected: int
    num_chars: int
    num_shards: int
    num_windows: int
    audio_s: float
    replica_s: float
    num_replicas: int
    device: str
    model: str
    examples: tuple[Failure, ...]

    @property
    def wall_s(self) -> float:
        return self.replica_s / self.num_replicas


def plan(spec: JobSpec) -> Plan:
    """Plan a job as `run` would cut it. Raises SpecError, ModelError and CorpusError."""
    device = "cpu" if spec.model.device == "auto" else spec.model.device
    _, info = describe_model(spec, device)
    cost = CostModel.of(info)
    limits = spec.sharding.limits()
    corpus = open_corpus(spec, info)
    rows = rejected = chars = shards = num_windows = 0
    audio_s = replica_s = 0.0
    examples: list[Failure] = []
    for window in windows(corpus.rows(), spec.sharding.window_rows):
        num_windows += 1
        rows += window.num_rows
        rejected += len(window.rejected)
        chars += sum(len(utterance.text) for utterance in window.utterances)
        audio_s += sum(cost.audio_s(utterance) for utterance in window.utterances)
        cut = shard_window(window.index, window.utterances, cost, limits, is_last=window.is_last)
        shards += len(cut)
        replica_s += sum(shard.cost_s for shard in cut)
        examples += itertools.islice(window.rejected, MAX_EXAMPLES - len(examples))
    cluster = spec.cluster
    # Of a cluster nothing is known without joining it; this machine stands for it.
    here = Resources(gpus=0.0, cpus=num_local_cpus(), is_local=False)
    fitting = plan_replicas(here, cluster.replicas, device, cluster.gpus_per_replica, cluster.cpus_per_replica)
    return Plan(
        num_rows=rows,
        num_rejected=rejected,
        num_chars=chars,
        num_shards=shards,
        num_windows=num_windows,
        audio_s=audio_s,
        replica_s=replica_s,
        num_replicas=1 if device == "cuda" and cluster.replicas == "auto" else fitting.num_replicas,
        device=device,
        model=f"{info.name} ({info.revision}, {info.backend})",
        examples=tuple(examples),
    )
