"""A job made ready: its model described, its corpus found, its store reached, its output recognised.

Everything that can be wrong with a job is found here, before a replica starts. Not known here: Ray.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version

from ...actors.audio.encoding import format_of
from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.models.registry import describe
from ...actors.records.keys import AUDIO_PREFIX, DRIVER_KEY, MANIFEST_PREFIX, PLAN_PREFIX, ROOT_KEY, TEXT_PREFIX
from ...actors.records.manifest import PartName
from ...actors.replica.receipt import JobConfig, ReplicaConfig
from ...actors.text.front_end import FrontEnd, TextRules
from ...actors.text.lexicon import read_lexicon
from ...cluster.containers.base import part_prefix
from ...cluster.containers.parts import Parts
from ...cluster.sharding.cost_cache import recall
from ...cluster.sharding.sharding import CostModel
from ...cluster.storage import Storage, open_storage
from ...errors import JobChanged, ModelError, SpecError
from ..corpus import Column, Corpus, InputOptions, would_read
from ..output.identity import Identity, JobFile, identity_of
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog
from ..output.texts import text_key
from ..spec.job import JobSpec


@dataclass(frozen=True, slots=True)
class ResolvedJob:
    """A job whose parts are known to be there.

    Attributes:
        cost: The estimates that cut its shards: of the run that began the output, if there was one; else what rows of
            this model took in the last run from here, or what the model says of itself
        found: What the output already held
    """

    spec: JobSpec
    model: ModelConfig
    info: ModelInfo
    corpus: Corpus
    storage: Storage
    identity: Identity
    cost: CostModel
    found: JobFile | None

    @property
    def parts(self) -> Parts:
        output = self.spec.output
        return Parts(self.storage, output.container, format_of(output.audio).extension, output.key_prefixes)

    @property
    def replica_config(self) -> ReplicaConfig:
        return replica_config(self.spec, self.model)

    @property
    def job_config(self) -> JobConfig:
        return JobConfig(self.model, self.spec.output.audio, self.spec.text.pause_s, text_rules(self.spec))

    @property
    def plan_fingerprint(self) -> str:
        """64 hexadecimal digits that change with whatever decides how the corpus is read and cut."""
        return sha256(f"{self.identity.fingerprint} {json.dumps(asdict(self.cost))}".encode()).hexdigest()

    def plan_log(self) -> PlanLog:
        """The plan log of the output, empty where there is none of this job."""
        return PlanLog.read(self.storage, self.plan_fingerprint, self.spec.sharding.window_rows)

    def new_plan_log(self) -> PlanLog:
        """An empty one, for an output that begins."""
        return PlanLog(self.storage, self.plan_fingerprint, self.spec.sharding.window_rows)

    @property
    def job_file(self) -> JobFile:
        """What `job.json` will say of the job that begins an output."""
        spec = self.spec.model_dump(mode="json")
        return JobFile(version("speechmill"), spec, self.identity, self.model.device, self.cost)


def open_output(spec: JobSpec) -> tuple[Storage, OutputFile | None]:
    """The output's store, proved writable, and what its `job.json` says, if there is one.

    Raises:
        StorageDenied: For a place that holds something else
        StorageMissing: For a place that holds something else
        StorageUnavailable: For a place that holds something else
        JobChanged: For a place that holds something else
    """
    storage = open_storage(spec.output.uri, spec.output.s3.options())
    storage.check(write=True)
    output = OutputFile.read(storage)
    if output is None:
        _refuse_strangers(storage, spec.task)
    return storage, output


def prepare(spec: JobSpec, storage: Storage, found: JobFile | None, device: str) -> ResolvedJob:
    """Check model and corpus against each other and the output, for a device ("cpu" or "cuda").

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
    identity = identity_of(spec, info, device, corpus.fingerprint)
    if found is not None:
        found.refuse_if_changed(identity, spec.output.uri)
    cost = found.cost if found else recall(config, info) or CostModel.of(info)
    # The backend is fixed from here on: a replica must not choose again.
    model = replace(config, backend=info.backend)
    return ResolvedJob(spec, model, info, corpus, storage, identity, cost, found)


def describe_model(spec: JobSpec, device: str) -> tuple[ModelConfig, ModelInfo]:
    """The job's model on a device ("cpu" or "cuda"), checked.

    Raises:
        ModelError: The model, its weights or its options are wrong; the message names the key or file
        SpecError: The job is wrong; the message names the key
    """
    config = ModelConfig(
        name=spec.model.name,
        device=device,
        backend=spec.model.backend,
        voice=spec.model.voice,
        path=spec.model.path,
        task=spec.task,
        options=spec.model.options,
    )
    info = describe(config)
    if spec.task not in info.tasks:
        what = "refines no text; use chattts, or leave out" if spec.task == "refine" else "does not speak; use"
        raise ModelError(f"model.name {spec.model.name} {what} task: {spec.task} (its tasks: {', '.join(info.tasks)})")
    if fault := info.voice_fault(info.default_voice):
        raise ModelError(f'model.voice "{info.default_voice}" {fault}')
    if fault := info.speed_fault(spec.model.speed):
        raise SpecError(f"model.speed is {spec.model.speed:g}; {fault}")
    if spec.task == "refine":
        return config, replace(info, audio_char_s=0.0)
    format_of(spec.output.audio).check(info.sample_rate)
    return config, info


def replica_config(spec: JobSpec, model: ModelConfig) -> ReplicaConfig:
    """What the replicas need that a job starts."""
    batch_size = spec.model.batch_size
    return ReplicaConfig(
        model=model,
        batch_rows=None if batch_size == "auto_max" else batch_size,
        vram_utilization=spec.model.vram_utilization,
        cpus=spec.cluster.cpus_per_replica,
        gpus=spec.cluster.gpus_per_replica,
    )


def text_rules(spec: JobSpec) -> TextRules:
    """How the job wants texts to be read.

    Raises:
        SpecError: For a lexicon that cannot be read
    """
    text = spec.text
    return TextRules(
        markup=text.markup,
        paragraph_pause_s=text.paragraph_pause_s,
        fails=text.unspoken == "fail",
        lexicon=read_lexicon(text.lexicon) if text.lexicon else {},
    )


def open_corpus(spec: JobSpec, info: ModelInfo) -> Corpus:
    """The corpus that the job names, its columns checked.

    Raises:
        CorpusError: The corpus cannot be read; the message names the file and place
    """
    source = spec.input

    def column(name: str) -> Column | None:
        value = getattr(source, name)
        # A column that the job names has to be there; a default is used where it is.
        return None if value is None else Column(value, required=name in source.model_fields_set)

    corpus = Corpus(
        InputOptions(
            uri=source.uri if isinstance(source.uri, str) else tuple(source.uri),
            id=column("id"),
            text=source.text,
            seed=column("seed"),
            voice=column("voice"),
            speed=column("speed"),
            format=source.format,
            delimiter=source.delimiter,
            header=source.header,
            columns=tuple(source.columns or ()),
            max_chars=source.max_chars,
            default_voice=info.default_voice,
            default_speed=spec.model.speed,
            speeds=info.speeds,
            voices=info.voices,
            voice_forms=info.voice_forms,
            job_seed=spec.seed,
            s3=source.s3.options(),
        )
    )
    corpus.check()
    return corpus


def _refuse_own_output(spec: JobSpec, storage: Storage) -> None:
    """A corpus that takes in the output would change with every part."""
    uris = [spec.input.uri] if isinstance(spec.input.uri, str) else spec.input.uri
    written = [PartName(0, 0, 1, 0, 1, "aa", "raaaa-1.n0", "0" * 16).key, ROOT_KEY]
    written.append(f"{part_prefix('000000-0000-raaaa-1-aa', spec.output.key_prefixes)}.parquet")
    written += [f"{PLAN_PREFIX}000000.json", DRIVER_KEY]
    if spec.task == "refine":
        written.append(text_key(PartName(0, 0, 1, 0, 1, "aa", "raaaa-1.n0")))
    for uri in uris:
        if any(would_read(uri, storage.location(key)) for key in written):
            raise SpecError(
                f"input.uri {uri} would read what is written to output.uri {spec.output.uri}; keep them apart"
            )


def _refuse_strangers(storage: Storage, task: str) -> None:
    for prefix in (MANIFEST_PREFIX, TEXT_PREFIX if task == "refine" else AUDIO_PREFIX):
        stranger = next(iter(storage.list(prefix)), None)
        if stranger is not None:
            raise JobChanged(
                f"{storage.location(stranger.key)} is in the way: {storage.uri} has no {ROOT_KEY}, so it is not a "
                "speechmill output. Choose an empty place for output.uri."
            )
