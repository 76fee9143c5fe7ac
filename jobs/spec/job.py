"""job.yaml as typed values: one small model per concern.

What is valid here is well-formed; whether the corpus, the model and the store are there is asked later, by the
parts that know them, and still before any replica starts.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ...actors.audio.finishing import Finishing
from ...cluster.sharding.sharding import ShardLimits
from ...cluster.storage import S3Options
from ...errors import did_you_mean
from .document import Document, Section
from .uris import UriText

SEED_MAX = 2**63 - 1


class S3Spec(Section):
    """An S3 service. Credentials come from boto3's own chain (environment, profile, role), never from here."""

    endpoint_url: UriText | None = None
    region: str | None = None
    max_attempts: Annotated[int, Field(ge=1, le=1_000)] = 8
    timeout_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    anonymous: bool = False
    addressing_style: Literal["path", "virtual"] | None = None

    def options(self) -> S3Options:
        """The same, as the store takes it."""
        return S3Options(
            self.endpoint_url,
            self.region,
            self.max_attempts,
            self.timeout_s,
            self.anonymous,
            self.addressing_style,
        )


class InputSpec(Section):
    """Where rows come from, and which columns mean what. A column set to null is not looked for.

    `id`, `seed`, `voice`, `speed` and, for a model of several languages, `language` are used when the corpus has them;
    named in the job, they have to be there.
    So are `reference` and `reference_text`, for a model that speaks with the voice of a recording.
    `delimiter`, `header` and `columns` say how csv and tsv are laid out where their first line does not.
    """

    uri: UriText | list[UriText]
    format: Literal["auto", "csv", "tsv", "ljspeech", "filelist", "txt", "jsonl", "parquet"] = "auto"
    delimiter: str | None = None
    header: bool | None = None
    columns: list[str] | None = None
    id: str | None = "id"
    text: str = "text"
    seed: str | None = "seed"
    voice: str | None = "voice"
    speed: str | None = "speed"
    language: str | None = "language"
    reference: str | None = "reference"
    reference_text: str | None = "reference_text"
    max_chars: Annotated[int, Field(ge=1)] = 20_000
    s3: S3Spec = S3Spec()

    @field_validator("uri")
    @classmethod
    def _not_empty(cls, uri: str | list[str]) -> str | list[str]:
        if not uri or (isinstance(uri, list) and not all(uri)):
            raise ValueError("must name at least one file")
        return uri

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)
        if delimiter is not None and (len(delimiter) != 1 or delimiter.isalnum() or delimiter in "\"'\r\n\0 "):
            raise ValueError('must be one character, no letter, digit, space or quote: ";", "|", "," or tab')
        return delimiter

    @field_validator("columns")
    @classmethod
    def _different_names(cls, columns: list[str] | None) -> list[str] | None:
        if columns is not None and (not all(map(str.strip, columns)) or not 0 < len(set(columns)) == len(columns)):
            raise ValueError("must be a list of names, none empty and none twice")
        return columns

    @model_validator(mode="after")
    def _layout_makes_sense(self) -> Self:
        if self.format in ("txt", "jsonl", "parquet"):
            for key in ("delimiter", "header", "columns"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} is for csv and tsv; leave it out with format: {self.format}")
        if self.format in ("ljspeech", "filelist"):
            if self.header:
                raise ValueError(f"format: {self.format} has no header; use format: csv with a delimiter")
        elif self.header is False and self.columns is None:
            raise ValueError("header: false needs the names of the columns, such as columns: [id, text]")
        elif self.header is not False and self.columns is not None:
            raise ValueError("columns names those of files without a header; add header: false, or leave it out")
        return self


class ModelSpec(Section):
    """The model and how it is batched. `options` are the model's own."""

    name: str = "hibari"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: str = "auto"
    path: str | None = None
    voice: str = ""
    speed: Annotated[float, Field(gt=0)] = 1.0
    batch_size: Literal["auto_max"] | Annotated[int, Field(ge=1)] = "auto_max"
    vram_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    options: dict[str, Any] = {}


class TextSpec(Section):
    """How texts are read. Long ones are spoken in segments, joined by `pause_s` seconds of silence.

    `paragraph_pause_s` is the silence between paragraphs. `markup` is what marks in texts are: none, to be stripped, or
    SSML. A row with text that the model cannot say is `ok` and reports it, or fails. `lexicon` is a file of words and
    their readings.
    """

    pause_s: Annotated[float, Field(ge=0, le=10)] = 0.2
    paragraph_pause_s: Annotated[float, Field(ge=0, le=10)] = 0.6
    markup: Literal["none", "strip", "ssml"] = "none"
    unspoken: Literal["report", "fail"] = "report"
    lexicon: str | None = None


class PlaceSpec(Section):
    """Where judges run that cost more than a few milliseconds per second of audio; the others run in the replica.

    `where: actors` starts `actors` processes on each node, with these shares of its cores and GPUs. A judge that does
    not answer for `timeout_s` seconds is replaced.
    """

    where: Literal["replica", "actors"] = "replica"
    cpus: Annotated[float, Field(ge=0)] = 1.0
    gpus: Annotated[float, Field(ge=0, le=1)] = 0.0
    actors: Annotated[int, Field(ge=1, le=64)] = 1
    timeout_s: Annotated[float, Field(gt=0, le=3_600)] = 60.0


class QualitySpec(Section):
    """The judges of each clip, asked in order until one rejects it; none: clips are stored as they are.

    A rejected row is spoken again, `attempts` times in all; `auto` is 3 for a model that another seed changes, else 1.
    Then it fails, or its best attempt is kept. Judges that cost much hear a `share` of the rows, the others all.
    A run in which rows take more than `max_mean_attempts` attempts stops.
    """

    judges: list[str] = []
    options: dict[str, dict[str, Any]] = {}
    attempts: Literal["auto"] | Annotated[int, Field(ge=1, le=10)] = "auto"
    on_reject: Literal["fail", "keep"] = "fail"
    on_unheard: Literal["keep", "fail"] = "keep"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_mean_attempts: Annotated[float, Field(ge=1)] = 1.5
    calibration: UriText | None = None
    place: PlaceSpec = PlaceSpec()

    @field_validator("judges")
    @classmethod
    def _each_once(cls, judges: list[str]) -> list[str]:
        if len(set(judges)) != len(judges) or not all(judges):
            raise ValueError("must name each judge once")
        return judges

    @model_validator(mode="after")
    def _judges_are_named(self) -> Self:
        fields = type(self).model_fields
        said = sorted(name for name in self.model_fields_set if getattr(self, name) != fields[name].default)
        if not self.judges and said:  # a resolved job names every key
            raise ValueError(f"{said[0]} needs judges, such as judges: [signal, duration]")
        if strange := sorted(self.options.keys() - set(self.judges)):
            raise ValueError(
                f"options.{strange[0]} is for no judge of the job; {did_you_mean(strange[0], self.judges)}"
            )
        return self


class OutputSpec(Section):
    """Where the speech goes and how it is packed; `jsonl` is for text.

    `sample_rate`, `loudness_lufs` and `trim_silence` (seconds of silence that stay) change what the model made.
    """

    uri: UriText
    container: Literal["jsonl", "files", "webdataset", "parquet"] = "files"
    audio: Literal["wav", "flac", "opus", "mp3"] = "flac"
    sample_rate: Annotated[int, Field(ge=4_000, le=192_000)] | None = None
    loudness_lufs: Annotated[float, Field(ge=-70, le=-5)] | None = None
    trim_silence: Annotated[float, Field(ge=0, le=10)] | None = None
    key_prefixes: Literal[0, 16, 256, 4096] = 0
    alignment: bool = True
    s3: S3Spec = S3Spec()

    def finishing(self) -> Finishing:
        """What becomes of a clip before it is encoded."""
        return Finishing(self.sample_rate, self.loudness_lufs, self.trim_silence)


class ShardingSpec(Section):
    """How the corpus is cut. Part of a job's identity: another cut is another set of parts."""

    window_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 8_192
    shard_rows: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    shard_audio_s: Annotated[float, Field(gt=0)] = 3_600.0

    def limits(self) -> ShardLimits:
        """The same, as the sharder takes it."""
        return ShardLimits(self.shard_rows, self.shard_audio_s)


class ClusterSpec(Section):
    """The Ray cluster: `local`, `auto` (the one this process stands in), `ray://host:port` or `host:port`.

    `replicas: service` borrows those of the running service of that name, in what its streams leave over. A corpus of
    fewer than `ray_from_rows` rows on `local`, without a GPU, is spoken by plain processes: Ray is not started.
    `gpus_per_replica: auto` puts as many replicas on a GPU as gain, by what one was measured to take of it.
    """

    address: str = "local"
    replicas: Literal["auto", "service"] | Annotated[int, Field(ge=1)] = "auto"
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "speechmill"
    gpus_per_replica: Literal["auto"] | Annotated[float, Field(gt=0)] = 1.0
    cpus_per_replica: Annotated[float, Field(gt=0)] = 1.0
    ray_from_rows: Annotated[int, Field(ge=0, le=5_000)] = 500

    @field_validator("address")
    @classmethod
    def _known_form(cls, address: str) -> str:
        if address not in ("local", "auto") and not re.fullmatch(r"(ray://)?[^/\s@]+:[0-9]{1,5}", address):
            raise ValueError("must be local, auto, ray://host:port or host:port")
        return address

    @model_validator(mode="after")
    def _service_on_a_cluster(self) -> Self:
        if self.replicas == "service" and self.address == "local":
            raise ValueError("replicas: service needs the address of the cluster that the service runs on")
        return self

    @field_validator("gpus_per_replica")
    @classmethod
    def _whole_or_share(cls, gpus: float | Literal["auto"]) -> float | Literal["auto"]:
        if gpus != "auto" and gpus > 1 and gpus != int(gpus):
            raise ValueError("must be a share of one GPU (0.5), a whole number, or auto")
        return gpus


class FailureSpec(Section):
    """How many rows may fail: a count, or a share of all rows below 1."""

    max_failed_rows: Annotated[float, Field(ge=0)] = 0

    def allows(self, num_failed: int, num_rows: int) -> bool:
        """Whether this many failed rows are within the allowance."""
        allowed = self.max_failed_rows
        return num_failed <= (allowed * num_rows if 0 < allowed < 1 else allowed)


class JobSpec(Document):
    """A whole job file. `task: refine` makes text of text, as it would be spoken; then the container is `jsonl`."""

    name: str = "speechmill"
    task: Literal["speak", "refine"] = "speak"
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 0
    input: InputSpec
    model: ModelSpec = ModelSpec()
    text: TextSpec = TextSpec()
    quality: QualitySpec = QualitySpec()
    output: OutputSpec
    sharding: ShardingSpec = ShardingSpec()
    cluster: ClusterSpec = ClusterSpec()
    failure: FailureSpec = FailureSpec()

    @model_validator(mode="before")
    @classmethod
    def _default_container(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("task") == "refine" and isinstance(values.get("output"), dict):
            return {**values, "output": {"container": "jsonl", **values["output"]}}
        return values

    @field_validator("output")
    @classmethod
    def _container_of_task(cls, output: OutputSpec, info: ValidationInfo) -> OutputSpec:
        task = info.data.get("task")
        if task == "refine" and output.container != "jsonl":
            raise ValueError(f"container {output.container} holds audio, and task: refine makes text; leave it out")
        if task == "speak" and output.container == "jsonl":
            raise ValueError(
                "container jsonl holds text, and task: speak makes audio; use files, webdataset or parquet, or set "
                "task: refine"
            )
        return output

    @field_validator("quality")
    @classmethod
    def _quality_of_speech(cls, quality: QualitySpec, info: ValidationInfo) -> QualitySpec:
        if quality.judges and info.data.get("task") == "refine":
            raise ValueError("judges hear audio, and task: refine makes text; leave quality out")
        return quality
