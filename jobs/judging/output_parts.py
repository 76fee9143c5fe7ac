"""An output of speechmill as a corpus to be judged: each manifest that counts is a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ...actors.audio.encoding import sha256
from ...actors.models.base import ModelConfig
from ...actors.models.registry import describe
from ...actors.records.manifest import PartName, Record
from ...actors.records.utterance import Utterance
from ...cluster.containers import container_of
from ...cluster.storage import S3Options, Storage, open_storage
from ...errors import JobError
from ..output.holdings import counted_parts
from ..output.output_file import OutputFile
from ..output.reader import Layout, load_part
from .audio_corpus import AudioCorpus, AudioCorpusOptions, AudioPart, FoundClip, Sound, digest_of, sound_of


@dataclass(frozen=True, slots=True)
class Languages:
    """The language of each voice of the model that spoke an output; "" where the model is not known."""

    usual: str = ""
    of_voices: Mapping[str, str] | None = None

    def of(self, voice: str) -> str:
        return (self.of_voices or {}).get(voice, self.usual)


@dataclass(frozen=True, slots=True)
class OutputPart(AudioPart):
    """The spoken rows of one manifest."""

    uri: str
    s3: S3Options | None
    part: PartName
    container: str
    languages: Languages

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
            metadata=record.metadata,
        )
        where = storage.location(record.audio or "")
        return FoundClip(
            utterance,
            where if record.member is None else f"{where} {record.member}",
            partial(_load, found, record.audio_sha256),
            heard_text=record.normalized_text or "",
            language=self.languages.of(record.voice),
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
    languages, varies = _languages(output, options.language)
    place = (options.uri, options.s3)
    spoken = [
        OutputPart(part.shard_id, digest_of(part.key), part.num_ok, *place, part, layout.container.name, languages)
        for part in parts
        if part.num_ok
    ]
    num_failed = sum(part.num_failed for part in parts)
    return AudioCorpus(options.uri, "output", lambda: iter(spoken), num_failed, model, varies)


def _load(found: bytes | JobError, digest: str | None) -> Sound:
    if isinstance(found, JobError):
        raise found
    if sha256(found) != digest:
        raise JobError("its bytes are not those that the manifest promises")
    return sound_of(found)


def _languages(output: OutputFile, wanted: str) -> tuple[Languages, bool]:
    """The languages of the model's voices, and whether its seeds vary; a model that is not here is asked nothing."""
    spec = output.job.spec.get("model")
    if not isinstance(spec, dict) or ":" in str(spec.get("name", ":")):
        return Languages(wanted), True  # a user's own class may run anything as it is imported
    try:
        options = spec.get("options")
        config = ModelConfig(str(spec["name"]), path=spec.get("path"), options=options if options else {})
        info = describe(config)
    except JobError:
        return Languages(wanted), True
    if wanted or not info.languages:
        return Languages(wanted), info.varies
    return Languages(info.languages[0], dict(info.voice_languages)), info.varies
