"""Check the clips of a part against its manifest: each there, its bytes and its samples those that were promised.

What lies beside the clips in their objects is checked too, see `Container.audit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...actors.audio import encoding as audio
from ...actors.audio.encoding import AudioFormat
from ...actors.records.keys import AUDIO_PREFIX
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...cluster.commit.names import UNSTAMPED, ObjectName, Stamp
from ...cluster.containers.base import ClipInfo, Fault, Place, shard_of, window_prefix
from ...cluster.storage.base import Storage
from ...errors import JobError, RowRejected
from ..output.reader import Layout
from .report import Findings


class ClipCheck:
    """The objects of a job that speaks.

    Args:
        decode: Also decode every clip.
    """

    prefix = AUDIO_PREFIX

    def __init__(self, storage: Storage, layout: Layout, *, decode: bool) -> None:
        self._storage, self._layout, self._decode = storage, layout, decode

    def shard_of(self, key: str) -> str | None:
        """The shard that an object was written for, None if it is not a shard's."""
        return shard_of(key, self._layout.key_prefixes)

    def order(self, shard_id: str) -> str:
        """The place of its window's objects in a listing of the output: their keys begin with this."""
        return window_prefix(shard_id, self._layout.key_prefixes)

    def part(
        self, part: PartName, records: Sequence[Record], objects: Mapping[str, int], findings: Findings
    ) -> set[str]:
        """Check the clips of a part, whose shard has these objects (key: bytes); the keys that it names."""
        wanted = self._wanted(part, records, objects, findings)
        told = {
            place: ClipInfo(record.row_beside_clip, record.id, record.sidecar, record.kept is not None)
            for place, record in wanted.items()
        }
        for found in self._layout.container.audit(self._storage, told, self._layout.audio_format.extension):
            if isinstance(found, Fault):
                findings.problem(f"{found.key}, {found.text}")
                continue
            place, answer = found
            record = wanted[place]
            fault = str(answer) if isinstance(answer, JobError) else self._fault(record, answer)
            findings.clip(len(answer) if isinstance(answer, bytes) else 0)
            if fault:
                findings.problem(f"{place[0]}, row {record.row} ({place[1] or 'whole object'}): {fault}")
        return {key for key, _ in wanted}

    def _wanted(
        self, part: PartName, records: Sequence[Record], objects: Mapping[str, int], findings: Findings
    ) -> dict[Place, Record]:
        """The clips to read, and whose they are."""
        wanted: dict[Place, Record] = {}
        absent: dict[str, int] = {}
        for record in records:
            where = f"{part.key}: row {record.row}"
            if record.refined is not None:
                findings.problem(f"{where} is refined text, in a job that speaks")
            if record.audio is None:
                continue
            place = (record.audio, record.member)
            if self.shard_of(record.audio) != part.shard_id:
                findings.problem(f"{where} names {record.audio!r:.200}, which is not of this shard")
            elif record.audio not in objects:
                absent[record.audio] = absent.get(record.audio, 0) + 1
            elif not _is_of_run(part, record):
                findings.problem(f"{where} names {record.audio!r:.200}, which another run has written")
            elif place in wanted:
                findings.problem(f"{where} has the clip of row {wanted[place].row}")
            else:
                wanted[place] = record
        for key, num_clips in absent.items():
            findings.problem(f"{key} does not exist; {part.key} has {num_clips} rows in it")
        return wanted

    def _fault(self, record: Record, data: bytes) -> str | None:
        if len(data) != record.audio_bytes:
            return f"{len(data)} bytes where the manifest has {record.audio_bytes}"
        if audio.sha256(data) != record.audio_sha256:
            return "SHA-256 of its bytes is not the manifest's"
        if record.audio_format != self._layout.audio_format.name:
            return f"audio_format is {record.audio_format!r}, the job's is {self._layout.audio_format.name!r}"
        return _decode_fault(record, data, self._layout.audio_format) if self._decode else None


def _is_of_run(part: PartName, record: Record) -> bool:
    """Whether audio was written by the run that wrote the manifest, or by the earlier one that the record names."""
    name = ObjectName.parse(record.audio or "")
    stamp = Stamp.parse(part.stamp) if part.stamp else UNSTAMPED
    run = stamp.run if record.kept is None else int(record.kept["run"])
    return name is None or ((name.stamp.tag, name.stamp.run) == (stamp.tag, run) and run <= stamp.run)


def _decode_fault(record: Record, data: bytes, audio_format: AudioFormat) -> str | None:
    num_samples, tolerance = record.num_samples or 0, audio_format.tolerance_samples
    try:
        samples, sample_rate = audio.decode(data, min(num_samples + tolerance, audio.MAX_DECODED_SAMPLES))
    except RowRejected as error:
        return str(error)
    if sample_rate != record.sample_rate:
        return f"sample rate {sample_rate} Hz where the manifest has {record.sample_rate}"
    if abs(len(samples) - num_samples) > tolerance:
        return f"{len(samples)} samples where the manifest has {num_samples}"
    if audio_format.is_lossless and audio.pcm_sha256(audio.pcm16(samples)) != record.pcm_sha256:
        return "SHA-256 of its samples is not the manifest's"
    return None
