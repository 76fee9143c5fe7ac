"""An output of speechmill as a corpus to be judged: each manifest that counts is a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from ...actors.audio.encoding import sha256
from ...actors.gate.gate import language_of
from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.models.registry import describe
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...actors.records.utterance import Utterance
from ...cluster.containers import container_of
from ...cluster.storage import S3Options, Storage, open_storage
from ...errors import JobError
from ..output.holdings import counted_parts
from ..output.output_file import OutputFile
from ..output.reader import Layout, load_part
from .audio_corpus import AudioCorpus, AudioCorpusOptions, AudioPart, FoundClip, Sound, digest_of, sound_of


@dataclass(frozen=True, slots=True)
class OutputPart(AudioPart):
    """The spoken rows of one manifest.

    Attributes:
        language: Of all rows; "" for those that the model knows of its voices
        model: What spoke them; None where that is not known here
    """

    uri: str
    s3: S3Options | None
    part: PartName
    container: str
    language: str
    model: ModelInfo | None

    def clips(self) -> Iterator[FoundClip]:
        storage = open_storage(self.uri, self.s3)
        records = {(r.audio, r.member): r for r in load_part(storage, self.part) if r.audio is not None}
        for (key, member), found in container_of(self.container).read(storage, [(str(k), m) for k, m in records]):
            yield self._clip(storage, records[key, member], found)

    def _clip(self, storage: Storage, record: Record, found: bytes | JobError) -> FoundClip:
        utterance = Utterance(
            row=record.row,
            id=record.id,
            text=record.text,
            seed=record.seed or 0,
            voice=record.voice,
            speed=record.speed or 1.0,
            metadata={**record.metadata, "language": record.language} if record.language else record.metadata,
            language=record.language or "",
        )
        language = self.language or utterance.language
        if not language and self.model is not None:
            language = language_of(self.model, record.voice, record.text)
        where = storage.location(record.audio or "")
        return FoundClip(
            utterance,
            where if record.member is None else f"{where} {record.member}",
            partial(_load, found, record.audio_sha256),
            heard_text=record.normalized_text or "",
            language=language,
            attempt=attempt_of(record.attempt, record.metadata),
            num_tokens=getattr(record, "num_tokens", None) or 0,
        )


def attempt_of(attempt: object, metadata: Mapping[str, object]) -> int:
    """How often a row was spoken before, by its record, or by the list that it was spoken again from."""
    told = attempt if attempt is not None else metadata.get("attempt")
    return told if type(told) is int and 0 <= told < 1 << 31 else 0


def output_corpus(storage: Storage, options: AudioCorpusOptions) -> AudioCorpus:
    """An output of ours, complete or not.

    Raises:
        JobError: It holds text, or is damaged
    """
    output = OutputFile.load(storage)
    layout = Layout.of(storage, output.job.spec)
    parts = sorted(counted_parts(storage, output), key=lambda part: part.key)
    model = str(output.job.identity.keys.get("model.name", ""))
    info = _model_of(output)
    place = (options.uri, options.s3)
    spoken = [
        OutputPart(
            part.shard_id,
            digest_of(part.key),
            part.num_ok,
            *place,
            part,
            layout.container.name,
            options.language,
            info,
        )
        for part in parts
        if part.num_ok
    ]
    num_failed = sum(part.num_failed for part in parts)
    varies = info is None or info.varies
    return AudioCorpus(options.uri, "output", lambda: iter(spoken), num_failed, model, varies)


def _load(found: bytes | JobError, digest: str | None) -> Sound:
    if isinstance(found, JobError):
        raise found
    if sha256(found) != digest:
        raise JobError("its bytes are not those that the manifest promises")
    return sound_of(found)


def _model_of(output: OutputFile) -> ModelInfo | None:
    """The model that spoke an output, if it is described here; a user's own class, which may do anything, is not."""
    spec = output.job.spec.get("model")
    if not isinstance(spec, dict) or ":" in str(spec.get("name", ":")):
        return None
    told = cast("dict[str, Any]", spec)
    try:
        return describe(ModelConfig(str(told["name"]), path=told.get("path"), options=told.get("options") or {}))
    except JobError:
        return None
