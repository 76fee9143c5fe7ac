"""What a job would do, found by reading its corpus: rows, shards, audio, time. Starts no Ray, touches no GPU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...actors.batcher.stats import BatchStats
from ...actors.device.machine import has_gpu, num_cores
from ...actors.models.registry import is_autoregressive
from ...actors.records.utterance import Failure, Utterance
from ...actors.text.front_end import FrontEnd, named
from ...cluster.session import Resources, plan_replicas
from ...cluster.sharding.cost_cache import recall, recall_attempts
from ...cluster.sharding.sharding import CostModel, shard_window
from ...cluster.storage import Storage, open_storage
from ...cluster.storage.local.store import LocalStorage
from ...errors import RowError, SpeechmillError
from ..corpus.printable import printable
from ..output.output_file import OutputFile
from ..planning.windows import windows
from ..resolve.corpus import open_corpus
from ..resolve.gpu_share import GpuShare, gpu_share
from ..resolve.model import describe_model, replica_config
from ..resolve.quality import resolve_gate
from ..resolve.text import text_rules
from ..run.prepare import prepare
from ..run.update import Update, compared
from ..spec.job import JobSpec
from ..update.comparison import Changes, Comparison
from .batch_estimate import BatchPlan, BatchPlanner

MAX_EXAMPLES = 5
MAX_READ = 20_000
"""Rows whose texts are read, to tell how many have unspoken text: of more, the share of these is told."""


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
        num_unspoken: Rows with text that there are no words for; by the share of the first rows where `is_sampled`.
        unspoken_examples: The first of them, each with what is left out.
        changes: What an update does; the other figures are of what it speaks. None if no update is planned.
        is_allowed: Whether so many rejected rows let the run end with 0.
        judges, attempts: The judges of each clip, and the most attempts at a row
        judged_share: Of the rows, those that costly judges are asked about
        judge_s: Estimated CPU seconds of the judges
        licence: Of the model's weights; "" where it is not known.
        is_noncommercial: That licence forbids commercial use.
        sharing: How many replicas share a GPU, and why, where that is left to speechmill; "" elsewhere
        warnings: What will keep the job from running as planned, or may be meant otherwise; a sentence each.
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
    num_unspoken: int = 0
    unspoken_examples: tuple[str, ...] = ()
    is_sampled: bool = False
    changes: Changes | None = None
    is_allowed: bool = True
    judges: tuple[str, ...] = ()
    attempts: int = 1
    judged_share: float = 1.0
    judge_s: float = 0.0
    licence: str = ""
    is_noncommercial: bool = False
    sharing: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def wall_s(self) -> float:
        return self.replica_s / self.num_replicas


def plan(spec: JobSpec, *, measure: bool = False, update: Update | None = None) -> Plan:
    """Plan a job as `run` would cut it; `measure` loads its model.

    Raises:
        JobChanged: The output is another job's, or of an update that may not be done
        SpecError: The job is wrong; the message names the key
        StorageDenied: No output can be written at its place
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    storage = open_storage(spec.output.uri, replace(spec.output.s3.options(), max_attempts=1))
    if isinstance(storage, LocalStorage):
        storage.refuse_impossible()
    device = "cpu" if spec.model.device == "auto" else spec.model.device
    config, info = describe_model(spec, device)
    if measure:
        from ...actors.replica.loaded_model import tuned

        tuned(replica_config(spec, replace(config, backend=info.backend)))
    recalled = recall(config, info)
    cost = recalled or CostModel.of(info)
    share = GpuShare(1.0)
    if device == "cuda":
        share = gpu_share(spec.cluster, lambda: (config, info), spec.model.vram_utilization)
    planner = BatchPlanner.find(replica_config(spec, config, share.gpus), info)
    limits = spec.sharding.limits()
    gate = resolve_gate(spec, info, device)
    expected = 1.0 if gate is None else recall_attempts(config, info, gate.key)
    corpus = open_corpus(spec, info)
    rows = rejected = chars = shards = num_windows = 0
    audio_s = replica_s = 0.0
    examples: list[Failure] = []
    reading = _Reading(FrontEnd(info, text_rules(spec)))
    comparison = None if update is None else _compared(spec, device, update)
    found = corpus.rows() if comparison is None else itertools.chain.from_iterable(comparison.missing())
    for window in windows(found, spec.sharding.window_rows):
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
        reading.read(window.utterances)
        examples += itertools.islice(window.rejected, MAX_EXAMPLES - len(examples))
    batches = planner.plan() if planner else None
    estimated_by = "the last run" if recalled else "the model's own figures"
    if batches is not None and not recalled:
        replica_s, estimated_by = batches.predicted.predicted_s, "the profile"
    replica_s *= expected
    cluster = spec.cluster
    # Of a cluster nothing is known without joining it; this machine stands for it.
    here = Resources(gpus=0.0, cpus=num_cores(), is_local=False)
    fitting = plan_replicas(here, cluster.replicas, device, share.gpus, cluster.cpus_per_replica)
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
        actual=_actual(storage),
        num_unspoken=reading.predicted(rows - rejected),
        unspoken_examples=tuple(reading.examples),
        is_sampled=rows - rejected > reading.num_read,
        changes=comparison.changes() if comparison is not None else None,
        is_allowed=spec.failure.allows(rejected, rows if comparison is None else comparison.table.num_rows),
        judges=tuple(known.name for known in gate.config.infos) if gate else (),
        attempts=gate.config.attempts if gate else 1,
        judged_share=spec.quality.share,
        judge_s=expected * audio_s * gate.cost_s if gate else 0.0,
        licence=info.licence,
        is_noncommercial=info.is_noncommercial,
        sharing=share.reason,
        warnings=(*_device_warning(spec), *corpus.notes),
    )


def _compared(spec: JobSpec, device: str, update: Update) -> Comparison | None:
    """The output compared with the corpus; None if there is no output yet."""
    storage = open_storage(spec.output.uri, spec.output.s3.options())
    output = OutputFile.read(storage)
    if output is None:
        return None
    if spec.model.device == "auto":
        device = output.job.device
    job = prepare(spec, storage, output.job, device, is_update=update.is_corpus_new)
    return compared(job, output, (), update)


@dataclass(slots=True)
class _Reading:
    """The texts of the first rows, read as they will be spoken."""

    front_end: FrontEnd
    num_read: int = 0
    num_unspoken: int = 0
    examples: list[str] = field(default_factory=list[str])

    def read(self, utterances: Sequence[Utterance]) -> None:
        """Read some rows more, up to a limit."""
        for utterance in utterances[: MAX_READ - self.num_read]:
            self.num_read += 1
            try:
                unspoken = self.front_end.read(utterance.text, utterance.voice).unspoken
            except RowError:
                continue  # its reason is told when it is spoken
            self.num_unspoken += bool(unspoken)
            if unspoken and len(self.examples) < MAX_EXAMPLES:
                self.examples.append(printable(f"row {utterance.row} ({utterance.id}): {named(unspoken)}"))

    def predicted(self, num_rows: int) -> int:
        """Of so many rows, those with unspoken text."""
        return round(self.num_unspoken * num_rows / self.num_read) if self.num_read else 0


def _device_warning(spec: JobSpec) -> list[str]:
    if spec.model.device == "cuda" and spec.cluster.address == "local" and not has_gpu():
        return ["model.device is cuda, and this machine has no GPU: run it on a cluster (cluster.address), or on cpu"]
    return []


def _actual(storage: Storage) -> BatchStats | None:
    """The batches of the run that completed the output, where it is at hand. A plan does not wait for a store."""
    try:
        output = OutputFile.read(storage)
    except SpeechmillError:
        return None
    return output.complete.batches if output and output.complete else None
