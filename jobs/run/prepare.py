"""A job made ready: its model described, its corpus found, its store reached, its output recognised.

All errors of a job are found here, before a replica starts. This module does not use Ray.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version

from ...actors.audio.encoding import format_of
from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.records.keys import (
    AUDIO_PREFIX,
    DRIVER_KEY,
    MANIFEST_PREFIX,
    METADATA_KEY,
    PLAN_PREFIX,
    ROOT_KEY,
    TEXT_PREFIX,
)
from ...actors.records.part_name import PartName
from ...actors.replica.receipt import JobConfig, ReplicaConfig
from ...actors.text.front_end import FrontEnd
from ...cluster.containers.base import part_prefix
from ...cluster.containers.parts import Parts
from ...cluster.sharding.cost_cache import recall
from ...cluster.sharding.sharding import CostModel
from ...cluster.storage import Storage, open_storage
from ...cluster.storage.audio_files import ClipFiles
from ...errors import JobChanged, SpecError
from ..corpus import Corpus, would_read
from ..output.identity import Identity, JobFile, identity_of
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog
from ..output.texts import text_key
from ..resolve.corpus import open_corpus
from ..resolve.model import describe_model, replica_config
from ..resolve.quality import ResolvedGate, resolve_gate
from ..resolve.text import text_rules
from ..spec.job import JobSpec


@dataclass(frozen=True, slots=True)
class ResolvedJob:
    """A job whose parts are known to be there.

    Attributes:
        cost: The estimates that cut its shards. They are those of the run that began the output. Without such a run
            they are the costs of this model in the last run on this machine, or else the model's own estimates
        found: The job in the output's `job.json`; None for a new output
        gate: Its judges; None for none
    """

    spec: JobSpec
    model: ModelConfig
    info: ModelInfo
    corpus: Corpus
    storage: Storage
    identity: Identity
    cost: CostModel
    found: JobFile | None
    gate: ResolvedGate | None = None

    @property
    def parts(self) -> Parts:
        output = self.spec.output
        return Parts(self.storage, output.container, format_of(output.audio).extension, output.key_prefixes)

    @property
    def replica_config(self) -> ReplicaConfig:
        return replica_config(self.spec, self.model)

    @property
    def job_config(self) -> JobConfig:
        output, text, gate = self.spec.output, self.spec.text, self.gate
        reads_clips = self.corpus.options.reference is not None
        return JobConfig(
            self.model,
            output.audio,
            text.pause_s,
            text_rules(self.spec),
            gate=None if gate is None else gate.config,
            finishing=output.finishing(),
            alignment=output.alignment,
            clips=ClipFiles(self.spec.input.s3.options()) if reads_clips else None,
        )

    @property
    def plan_fingerprint(self) -> str:
        """64 hexadecimal digits that change with every setting that decides how the corpus is read and cut."""
        return sha256(f"{self.identity.fingerprint} {json.dumps(self.cost.stored)}".encode()).hexdigest()

    def plan_log(self) -> PlanLog:
        """The plan log of the output; empty if the output has none for this job."""
        return PlanLog.read(self.storage, self.plan_fingerprint, self.spec.sharding.window_rows)

    def new_plan_log(self) -> PlanLog:
        """An empty plan log, for a new output."""
        return PlanLog(self.storage, self.plan_fingerprint, self.spec.sharding.window_rows)

    @property
    def job_file(self) -> JobFile:
        """The `job.json` of an output that this job begins."""
        spec = self.spec.model_dump(mode="json")
        info = self.info
        provenance = {
            "model": info.name,
            "model_revision": info.revision,
            "weights_licence": info.licence or None,
            "is_synthetic": True,
        }
        return JobFile(version("speechmill"), spec, self.identity, self.model.device, self.cost, provenance)


def open_output(spec: JobSpec) -> tuple[Storage, OutputFile | None]:
    """Open the output's store, check that it is writable, and read its `job.json` if it has one.

    Raises:
        StorageDenied: The store refuses to be written
        StorageMissing: The bucket does not exist
        StorageUnavailable: The store does not answer
        JobChanged: The place holds objects that are no speechmill output
    """
    storage = open_storage(spec.output.uri, spec.output.s3.options())
    storage.check(write=True)
    output = OutputFile.read(storage)
    if output is None:
        _refuse_strangers(storage, spec)
    return storage, output


def prepare(
    spec: JobSpec, storage: Storage, found: JobFile | None, device: str, *, is_update: bool = False
) -> ResolvedJob:
    """Check model and corpus against each other and the output, for a device ("cpu" or "cuda").

    Args:
        is_update: The corpus may be another one than that of `found`

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        CorpusError: The corpus cannot be read; the message names the file and place
        SpecError: The job is wrong; the message names the key
        JobChanged: The output was begun by another job
    """
    config, info = describe_model(spec, device)
    FrontEnd(info, text_rules(spec))  # refuses a lexicon that the model cannot follow
    corpus = open_corpus(spec, info)
    _refuse_own_output(spec, storage)
    gate = resolve_gate(spec, info, device)
    identity = identity_of(spec, info, device, corpus.fingerprint, gate.keys if gate else None)
    if found is not None:
        found.refuse_if_changed(identity, spec.output.uri, is_update=is_update)
    cost = found.cost if found else recall(config, info) or CostModel.of(info)
    # The backend is fixed from here on: a replica must not choose again.
    model = replace(config, backend=info.backend)
    return ResolvedJob(spec, model, info, corpus, storage, identity, cost, found, gate)


def _refuse_own_output(spec: JobSpec, storage: Storage) -> None:
    """Refuse a corpus whose URI matches objects of the output: it would change with every part."""
    uris = [spec.input.uri] if isinstance(spec.input.uri, str) else spec.input.uri
    written = [PartName(0, 0, 1, 0, 1, "aa", "raaaa-1.n0", "0" * 16).key, ROOT_KEY]
    written.append(f"{part_prefix('000000-0000-raaaa-1-aa', spec.output.key_prefixes)}.parquet")
    written += [f"{PLAN_PREFIX}000000.json", DRIVER_KEY]
    if spec.output.container == "files":
        written.append(METADATA_KEY)
    if spec.task == "refine":
        written.append(text_key(PartName(0, 0, 1, 0, 1, "aa", "raaaa-1.n0")))
    for uri in uris:
        if any(would_read(uri, storage.location(key)) for key in written):
            raise SpecError(
                f"input.uri {uri} would read what is written to output.uri {spec.output.uri}; keep them apart"
            )


def _refuse_strangers(storage: Storage, spec: JobSpec) -> None:
    is_files = spec.output.container == "files"
    where = TEXT_PREFIX if spec.task == "refine" else AUDIO_PREFIX
    for prefix in (MANIFEST_PREFIX, where, *([METADATA_KEY] if is_files else [])):
        stranger = next(iter(storage.list(prefix)), None)
        if stranger is not None:
            raise JobChanged(
                f"{storage.location(stranger.key)} is in the way: {storage.uri} has no {ROOT_KEY}, so it is not a "
                "speechmill output. Choose an empty place for output.uri."
            )
