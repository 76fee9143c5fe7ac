"""Read a speech corpus back: manifests, then containers, then decoded clips, one part in memory at a time.

Guaranteed: finished and unfinished outputs can be read. Every committed clip comes once, and its bytes match the digest
in its manifest. Clips come part by part, and inside a part in the order in which they are stored. Objects may have been
edited: their content is checked, never executed, and never unpacked to disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...actors.audio import encoding as audio
from ...actors.audio.encoding import AudioFormat, format_of
from ...actors.records.keys import ROOT_KEY, TEXT_PREFIX
from ...actors.records.manifest import content_digest, decode_records
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance import Clip
from ...cluster.commit.executor import Executor
from ...cluster.commit.operations import DONE, MISSING, Named, ReadNames, ReadObjects, StoreAnswer
from ...cluster.commit.read import Read
from ...cluster.commit.state import State
from ...cluster.containers import Container, Place, container_of
from ...cluster.storage import S3Options, Storage, open_storage
from ...errors import JobError, RowRejected
from .bounded_read import MANIFEST_BYTES, get_bounded
from .output_file import OutputFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Layout:
    """How an output stores its audio, from its `job.json`."""

    container: Container
    audio_format: AudioFormat
    key_prefixes: int = 0

    @classmethod
    def of(cls, storage: Storage, spec: Mapping[str, Any]) -> Layout:
        """The layout in the job's specification.

        Raises:
            JobError: The output holds text, or this version cannot read it
        """
        if spec.get("task") == "refine":
            raise JobError(
                f"{storage.uri} holds refined text, not audio: its rows lie in {storage.location(TEXT_PREFIX)}*.jsonl, "
                "a JSON object a line; name that as input.uri of a job that speaks"
            )
        try:
            output: Any = spec["output"]
            container, audio_format = container_of(str(output["container"])), format_of(str(output["audio"]))
            return cls(container, audio_format, int(output.get("key_prefixes", 0)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            where = storage.location(ROOT_KEY)
            raise JobError(f"{where} has no spec.output.container and spec.output.audio") from error


def load_part(storage: Storage, part: PartName) -> list[Record]:
    """The records of a part, in row order.

    Raises:
        JobError: The manifest is damaged; the message names it and the line
    """
    data, source = get_bounded(storage, part.key, MANIFEST_BYTES), storage.location(part.key)
    if part.content and content_digest(data) != part.content:
        raise JobError(f"{source}: its content is not the one that its name promises")
    return list(decode_records(data, source))


def named_keys(storage: Storage, part: PartName) -> set[str]:
    """The keys of the objects that a part's manifest names.

    Raises:
        JobError: The manifest is damaged
    """
    return {record.audio for record in load_part(storage, part) if record.audio is not None}


def read(uri: str, s3: S3Options | None = None, *, generation: int | None = None) -> Iterator[Clip]:
    """The clips of the output at `uri`, one after the other.

    A clip's metadata holds the row's own columns, and row, text, voice, seed, speed, model and model_revision. These
    replace columns of the same name.

    Args:
        uri: A folder, or s3://bucket/prefix
        s3: How to reach the store
        generation: A state that an update has replaced, until `verify --sweep`; None: the present one

    Raises:
        JobError: There is no output, it holds text, or it keeps no such generation. While clips are read: an object is
            missing, or differs from its manifest; `speechmill verify` names all such objects
    """
    storage = open_storage(uri, s3)
    now = OutputFile.load(storage)
    output = now.at(generation, storage.location(ROOT_KEY))
    container = Layout.of(storage, output.job.spec).container
    clips = encoded_clips(storage, output, container, None if output is now else generation)
    return (_clip(storage, record, data) for record, data in clips)


def encoded_clips(
    storage: Storage, output: OutputFile, container: Container, generation: int | None = None
) -> Iterator[tuple[Record, bytes]]:
    """The record of each clip of all parts that count, with the clip as it is stored, compared with its digest.

    The protocol decides what is read next, and what a missing object means. Raises as `read` does.

    Args:
        generation: A state that an update has replaced; None for the present one
    """
    executor, machine, error = Executor(storage), Read(output.base, generation=generation), None
    shard_id = ""
    records: dict[Place, Record] = {}
    while (request := machine.request) is not None:
        if not isinstance(request, ReadNames | ReadObjects):
            machine = machine.step(executor.perform(request))
            continue
        answer: StoreAnswer = DONE
        try:
            if isinstance(request, ReadNames):
                part = PartName.parse(request.key)
                if part.shard_id == shard_id:
                    raise JobError(f"{storage.uri}: shard {shard_id} has two manifests; `speechmill verify` names them")
                shard_id = part.shard_id
                records = {_place(record): record for record in load_part(storage, part) if record.status == "ok"}
                answer = Named(frozenset(key for key, _ in records))
            else:
                yield from _read(storage, container, records)
        except JobError as missing:
            answer, error = MISSING, missing
        machine = machine.step(answer)
    if machine.state is State.CHANGED:
        raise JobError(f"{storage.uri} was begun anew while it was read; read it again") from error
    if machine.state is State.DAMAGED:
        raise error or JobError(f"{storage.uri} does not hold the manifests that it had when it was completed")


def _read(storage: Storage, container: Container, records: Mapping[Place, Record]) -> Iterator[tuple[Record, bytes]]:
    """The clips at these places, in the order in which they are stored."""
    for place, found in container.read(storage, list(records)):
        if isinstance(found, JobError):
            raise found
        record = records[place]
        if audio.sha256(found) != record.audio_sha256:
            raise JobError(f"{where(storage, record)}: these are not the bytes that the manifest promises")
        yield record, found


def where(storage: Storage, record: Record) -> str:
    """A clip's object and row, for messages."""
    return f"{storage.location(record.audio or '')}, row {record.row}"


def _place(record: Record) -> Place:
    assert record.audio is not None, "an ok record names its audio"
    return record.audio, record.member


def decoded(storage: Storage, record: Record, data: bytes) -> tuple[NDArray[np.float32], int]:
    """A clip's samples, float32 [num_samples], and their rate in Hz.

    Raises:
        JobError: The bytes are no audio
    """
    try:
        return audio.decode(data)
    except RowRejected as error:
        raise JobError(f"{where(storage, record)}: {error}") from error


def _clip(storage: Storage, record: Record, data: bytes) -> Clip:
    samples, sample_rate = decoded(storage, record, data)
    names = ("row", "text", "voice", "seed", "speed", "model", "model_revision")
    own = {name: getattr(record, name) for name in names}
    return Clip(record.id, samples, sample_rate, {**record.metadata, **own})
