"""Read a speech corpus back: manifests, then containers, then decoded clips, a part in memory at a time.

Guaranteed: works on finished and on unfinished outputs and gives what is committed, every clip once, its bytes those
that the manifest promised. Clips come part by part; inside a part in the order in which they are stored.
What is read may have been edited by anyone: it is checked, and nothing of it is executed or unpacked to disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..actors import audio
from ..actors.audio import AudioFormat, format_of
from ..actors.manifest import MANIFEST_PREFIX, PartName, Record, decode_records
from ..actors.segment import Clip
from ..cluster.storage import S3Options, Storage, open_storage
from ..errors import JobError, RowRejected, StorageMissing
from .bounded import MANIFEST_BYTES, get_bounded
from .containers import Container, Place, container_of
from .identity import JOB_KEY
from .texts import TEXT_PREFIX


@dataclass(frozen=True, slots=True)
class Layout:
    """How an output keeps its audio, as its job.json says."""

    container: Container
    audio_format: AudioFormat
    key_prefixes: int = 0

    @classmethod
    def of(cls, storage: Storage, job: Mapping[str, Any]) -> Layout:
        """Raises JobError for an output of text, or one that this version cannot read."""
        if is_text(job):
            raise JobError(
                f"{storage.uri} holds refined text, not audio: its rows lie in {storage.location(TEXT_PREFIX)}*.jsonl, "
                "a JSON object a line; name that as input.uri of a job that speaks"
            )
        try:
            output: Any = job["spec"]["output"]
            container, audio_format = container_of(str(output["container"])), format_of(str(output["audio"]))
            return cls(container, audio_format, int(output.get("key_prefixes", 0)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise JobError(f"{storage.location(JOB_KEY)} has no spec.output.container and spec.output.audio") from error


def load_job(storage: Storage) -> dict[str, Any]:
    """The output's job.json. Raises JobError where there is no output."""
    try:
        return load_object(storage, JOB_KEY)
    except StorageMissing as error:
        raise JobError(f"no speechmill output here: {storage.location(JOB_KEY)} does not exist") from error


def is_text(job: Mapping[str, Any]) -> bool:
    """Whether a job makes text in place of audio."""
    spec = job.get("spec")
    return isinstance(spec, Mapping) and cast("Mapping[str, object]", spec).get("task") == "refine"


def load_object(storage: Storage, key: str) -> dict[str, Any]:
    """A JSON object. Raises StorageMissing, and JobError for anything but a JSON object."""
    try:
        value: object = json.loads(get_bounded(storage, key))
    except (ValueError, RecursionError) as error:
        raise JobError(f"{storage.location(key)} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{storage.location(key)} is {type(value).__name__}, where a JSON object is expected")
    return value


def load_part(storage: Storage, part: PartName) -> list[Record]:
    """The records of a part, in row order. Raises JobError, naming the object and the line."""
    return list(decode_records(get_bounded(storage, part.key, MANIFEST_BYTES), storage.location(part.key)))


def read(uri: str, s3: S3Options | None = None) -> Iterator[Clip]:
    """The clips of the output at `uri`, one after the other.

    A clip's metadata holds the row's own columns and row, text, voice, seed, speed, model and model_revision, which
    win over columns of that name. Raises JobError where there is no output or one of text, and later for an object that
    is missing or not what its manifest says; `speechmill verify` names them all.
    """
    storage = open_storage(uri, s3)
    return _clips(storage, Layout.of(storage, load_job(storage)).container)


def _clips(storage: Storage, container: Container) -> Iterator[Clip]:
    last = None
    for entry in storage.list(MANIFEST_PREFIX):
        part = PartName.parse(entry.key)
        if part.shard_id == last:
            raise JobError(f"{storage.uri}: shard {last} has two manifests; `speechmill verify` names them")
        last = part.shard_id
        records = {_place(record): record for record in load_part(storage, part) if record.status == "ok"}
        for place, answer in container.read(storage, list(records)):
            if isinstance(answer, JobError):
                raise answer
            yield _clip(storage, records[place], answer)


def _place(record: Record) -> Place:
    assert record.audio is not None, "an ok record names its audio"
    return record.audio, record.member


def _clip(storage: Storage, record: Record, data: bytes) -> Clip:
    where = f"{storage.location(record.audio or '')}, row {record.row}"
    if audio.sha256(data) != record.audio_sha256:
        raise JobError(f"{where}: these are not the bytes that the manifest promises")
    try:
        samples, sample_rate = audio.decode(data)
    except RowRejected as error:
        raise JobError(f"{where}: {error}") from error
    names = ("row", "text", "voice", "seed", "speed", "model", "model_revision")
    own = {name: getattr(record, name) for name in names}
    return Clip(record.id, samples, sample_rate, {**record.metadata, **own})
