"""What a job would do, found by reading its corpus: rows, shards, audio, time. Starts no Ray, touches no GPU."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from ...actors.batcher.stats import BatchStats
from ...actors.device.machine import num_cores
from ...actors.models.registry import is_autoregressive
from ...actors.records.utterance import Failure
from ...actors.replica.loaded_model import tuned
from ...cluster.session import Resources, plan_replicas
from ...cluster.sharding.cost_cache import recall
from ...cluster.sharding.sharding import CostModel, shard_window
from ...cluster.storage import open_storage
from ...errors import SpeechmillError
from ..output.output_file import OutputFile
from ..planning.windows import windows
from ..resolve.corpus import open_corpus
from ..resolve.model import describe_model, replica_config
from ..spec.job import JobSpec
from .batch_estimate import BatchPlan, BatchPlanner

MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """The job on paper; seconds are estimates, `estimated_by` says whose.

    Attributes:
        task: "speak", or "refine": then there is no audio.
        num_rejected: Rows that will fail for what their columns hold; `examples` are the first of them.
        replica_s: Seconds of one replica; `wall_s` of all `num_replicas` together.
        is_stepwise: The model speaks step by step, and forms no batches.
        batches: Predicted by a profile; None where this machine knows none of the model.
        actual: The batches of the run that completed this output; None if none has.
    """

    task: str
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
    estimated_by: str
    is_stepwise: bool
    batches: BatchPlan | None
    actual: BatchStats | None

    @property
    def wall_s(self) -> float:
        return self.replica_s / self.num_replicas


def plan(spec: JobSpec, *, measure: bool = False) -> Plan:
    """Plan a job as `run` would cut it; `measure` loads its model.

    Raises:
        SpecError: The job is wrong; the message names the key
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    device = "cpu" if spec.model.device == "auto" else spec.model.device
    config, info = describe_model(spec, device)
    if measure:
        tuned(replica_config(spec, replace(config, backend=info.backend)))
    recalled = recall(config, info)
    cost = recalled or CostModel.of(info)
    planner = BatchPlanner.find(replica_config(spec, config), info)
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
        if planner is not None:
            for shard in cut:
                planner.shard(shard.utterances)
        examples += itertools.islice(window.rejected, MAX_EXAMPLES - len(examples))
    batches = planner.plan() if planner else None
    estimated_by = "the last run" if recalled else "the model's own figures"
    if batches is not None and not recalled:
        replica_s, estimated_by = batches.predicted.predicted_s, "the profile"
    cluster = spec.cluster
    # Of a cluster nothing is known without joining it; this machine stands for it.
    here = Resources(gpus=0.0, cpus=num_cores(), is_local=False)
    fitting = plan_replicas(here, cluster.replicas, device, cluster.gpus_per_replica, cluster.cpus_per_replica)
    return Plan(
        task=spec.task,
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
        estimated_by=estimated_by,
        is_stepwise=is_autoregressive(config),
        batches=batches,
        actual=_actual(spec),
    )


def _actual(spec: JobSpec) -> BatchStats | None:
    """The batches of the run that completed the output, where it is at hand."""
    try:
        # One try: a plan does not wait for a store that is away.
        output = OutputFile.read(open_storage(spec.output.uri, replace(spec.output.s3.options(), max_attempts=1)))
    except SpeechmillError:
        return None
    return output.complete.batches if output and output.complete else None
