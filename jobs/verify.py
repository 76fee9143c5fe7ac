"""Check an output from its objects alone: every row once, every clip there and whole, nothing that nobody owns.

Guaranteed: each object is listed once and read at most once, a part in memory at a time; problems are counted all and
named up to `MAX_NAMED`. Sweeping deletes only objects under audio/ that no manifest names, and only where all else is
well: beside a damaged manifest, an orphan may be the last copy of a clip.
Not known here: what the text sounds like, and whether the audio is of the text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice

from ..actors import audio
from ..actors.audio import AudioFormat
from ..actors.manifest import MANIFEST_PREFIX, PartName, Record
from ..cluster.storage.base import Storage
from ..errors import JobError, RowRejected, StorageMissing
from .bitmap import RowBitmap
from .complete import COMPLETE_KEY
from .containers.base import AUDIO_PREFIX, Place, shard_of
from .identity import JOB_KEY
from .reader import Layout, load_object, load_part
from .verify_report import Findings, VerifyReport

Progress = Callable[[int, int], None]
"""Called after each part with the number of parts checked, and of all parts."""


def verify(
    storage: Storage,
    *,
    decode: bool = True,
    sweep: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check the output in `storage`.

    decode   also decode every clip; without, its bytes are still compared with their SHA-256
    sweep    then delete orphans; refused while a run may be writing them and while there are problems
    force    sweep all the same
    Raises JobError where there is no output, and for a sweep without complete.json unless `force`.
    """
    layout = Layout.of(storage)
    findings = Findings()
    complete = _complete(storage, findings)
    if sweep and complete is None and not force:
        raise JobError(
            f"{storage.uri} has no valid {COMPLETE_KEY}: a run may still be writing what looks like an orphan. "
            "Let the run end first, or sweep with force when none is running."
        )
    parts = _parts(storage)
    check = _Check(storage, layout, decode, findings, None if complete is None else complete["num_rows"])
    num_done = 0
    for shard_id, objects in _walk(storage, parts):
        if shard_id is None:
            check.unowned(objects)
            continue
        check.shard(shard_id, parts[shard_id], objects)
        num_done += 1
        if progress:
            progress(num_done, len(parts))
    check.rows(complete)
    swept, refused = _sweep(storage, parts, findings, force) if sweep else (0, None)
    return findings.report(storage.uri, complete, len(parts), check.num_missing, swept, refused)


class _Check:
    """One pass over the output."""

    def __init__(
        self, storage: Storage, layout: Layout, decode: bool, findings: Findings, num_rows: int | None
    ) -> None:
        self._storage = storage
        self._layout = layout
        self._decode = decode
        self._findings = findings
        self._num_rows = num_rows
        self._seen = RowBitmap()

    @property
    def num_missing(self) -> int:
        """Rows that no manifest holds, of those promised or else up to the largest seen."""
        end = self._seen.end if self._num_rows is None else self._num_rows
        return end - len(self._seen)

    def unowned(self, objects: Mapping[str, int]) -> None:
        """Objects that belong to no committed shard."""
        for key, size in objects.items():
            if key.startswith(AUDIO_PREFIX):
                self._findings.orphan(key, size)
            elif key not in {JOB_KEY, COMPLETE_KEY} and not _is_manifest(key):
                self._findings.stray(key)

    def shard(self, shard_id: str, parts: list[PartName], objects: Mapping[str, int]) -> None:
        """Check a committed shard's manifest (or manifests, which is a problem) and the shard's objects."""
        if len(parts) > 1:
            self._findings.problem(f"shard {shard_id} has {len(parts)} manifests: {', '.join(p.key for p in parts)}")
        referenced: set[str] = set()
        rows: set[int] = set()
        is_readable = True
        for part in parts:
            try:
                records = load_part(self._storage, part)
            except JobError as error:
                self._findings.problem(str(error))
                is_readable = False
                continue
            self._manifest(part, records, rows)
            referenced |= self._audio(part, records, objects)
        for key, size in objects.items():
            # An unreadable manifest may name any of them.
            if key not in referenced and is_readable:
                self._findings.orphan(key, size)

    def _manifest(self, part: PartName, records: list[Record], rows: set[int]) -> None:
        found = PartName.of(part.window, part.index, part.digest, records)
        if found != part:
            self._findings.problem(f"{part.key}: its name does not fit its content, which would be {found.key}")
        for record in records:
            if record.row in rows:
                continue  # of a second manifest of this shard, which is a problem already
            rows.add(record.row)
            self._findings.row(record)
            if self._num_rows is not None and record.row >= self._num_rows:
                self._findings.problem(f"{part.key}: row {record.row}, but the corpus has {self._num_rows} rows")
            elif not self._seen.add(record.row):
                self._findings.problem(f"{part.key}: row {record.row} is in another manifest too")

    def _audio(self, part: PartName, records: list[Record], objects: Mapping[str, int]) -> set[str]:
        """Check the clips of a part; the keys that it names."""
        wanted: dict[Place, Record] = {}
        absent: dict[str, int] = {}
        for record in records:
            if record.audio is None:
                continue
            place = (record.audio, record.member)
            where = f"{part.key}: row {record.row}"
            if shard_of(record.audio) != part.shard_id:
                self._findings.problem(f"{where} names {record.audio!r:.200}, which is not of this shard")
            elif record.audio not in objects:
                absent[record.audio] = absent.get(record.audio, 0) + 1
            elif place in wanted:
                self._findings.problem(f"{where} has the clip of row {wanted[place].row}")
            else:
                wanted[place] = record
        for key, num_clips in absent.items():
            self._findings.problem(f"{key} does not exist; {part.key} has {num_clips} rows in it")
        for place, answer in self._layout.container.read(self._storage, list(wanted)):
            record = wanted[place]
            fault = str(answer) if isinstance(answer, JobError) else self._clip_fault(record, answer)
            self._findings.clip(len(answer) if isinstance(answer, bytes) else 0)
            if fault:
                self._findings.problem(f"{place[0]}, row {record.row} ({place[1] or 'whole object'}): {fault}")
        return {key for key, _ in wanted}

    def _clip_fault(self, record: Record, data: bytes) -> str | None:
        if len(data) != record.audio_bytes:
            return f"{len(data)} bytes where the manifest has {record.audio_bytes}"
        if audio.sha256(data) != record.audio_sha256:
            return "SHA-256 of its bytes is not the manifest's"
        if record.audio_format != self._layout.audio_format.name:
            return f"audio_format is {record.audio_format!r}, the job's is {self._layout.audio_format.name!r}"
        return _decode_fault(record, data, self._layout.audio_format) if self._decode else None

    def rows(self, complete: Mapping[str, int] | None) -> None:
        """Check that no row is missing, once every manifest is read."""
        if complete is None:
            return
        gaps = [f"{first}" if first == last else f"{first} to {last}" for first, last in self._gaps(11)]
        if gaps:
            names = ", ".join(gaps[:10]) + (" and more" if len(gaps) > 10 else "")
            self._findings.problem(f"{self.num_missing} rows are in no manifest: {names}")
        for name, found in (("num_ok", self._findings.num_ok), ("num_failed", self._findings.num_failed)):
            if complete[name] != found:
                self._findings.problem(f"{COMPLETE_KEY} has {name} {complete[name]}, the manifests have {found}")

    def _gaps(self, limit: int) -> Iterable[tuple[int, int]]:
        return islice(self._seen.missing(self._num_rows or 0), limit)


def _decode_fault(record: Record, data: bytes, audio_format: AudioFormat) -> str | None:
    num_samples, tolerance = record.num_samples or 0, audio_format.tolerance_samples
    try:
        samples, sample_rate = audio.decode(data, num_samples + tolerance)
    except RowRejected as error:
        return str(error)
    if sample_rate != record.sample_rate:
        return f"sample rate {sample_rate} Hz where the manifest has {record.sample_rate}"
    if abs(len(samples) - num_samples) > tolerance:
        return f"{len(samples)} samples where the manifest has {num_samples}"
    if abs((record.duration_s or 0.0) - num_samples / sample_rate) > 0.001:
        return f"duration_s is {record.duration_s}, its samples last {num_samples / sample_rate}"
    if audio_format.is_lossless and audio.pcm_sha256(audio.pcm16(samples)) != record.pcm_sha256:
        return "SHA-256 of its samples is not the manifest's"
    return None


def _complete(storage: Storage, findings: Findings) -> dict[str, int] | None:
    """Counts of a finished run, None for an unfinished one; a broken file is a problem and counts as unfinished."""
    try:
        raw = load_object(storage, COMPLETE_KEY)
    except StorageMissing:
        return None
    except JobError as error:
        findings.problem(str(error))
        return None
    counts = {name: raw.get(name) for name in ("num_rows", "num_ok", "num_failed")}
    checked = {name: count for name, count in counts.items() if type(count) is int and count >= 0}
    if len(checked) < len(counts):
        findings.problem(f"{COMPLETE_KEY} has {counts}; each has to be a number of rows")
        return None
    return checked


def _parts(storage: Storage) -> dict[str, list[PartName]]:
    """Manifests by shard; more than one a shard is a problem that `_Check.shard` names."""
    parts: dict[str, list[PartName]] = {}
    for entry in storage.list(MANIFEST_PREFIX):
        if _is_manifest(entry.key):
            part = PartName.parse(entry.key)
            parts.setdefault(part.shard_id, []).append(part)
    return parts


def _is_manifest(key: str) -> bool:
    try:
        return bool(PartName.parse(key))
    except JobError:
        return False


def _walk(storage: Storage, committed: Iterable[str]) -> Iterator[tuple[str | None, dict[str, int]]]:
    """Every committed shard with its objects' sizes, and None with each object that belongs to none of them.

    One listing is merged with the sorted shards: all keys of a shard begin alike, so they are listed together.
    """
    waiting = deque(sorted(committed, key=_order))
    done: set[str] = set()
    for shard_id, entries in groupby(storage.list(), lambda entry: shard_of(entry.key)):
        if shard_id in done:
            raise JobError(f"{storage.uri} is not listed in the order of its keys; it cannot be verified")
        while shard_id is not None and waiting and _order(waiting[0]) < _order(shard_id):
            done.add(waiting[0])
            yield waiting.popleft(), {}
        if shard_id is not None and waiting and waiting[0] == shard_id:
            done.add(shard_id)
            yield waiting.popleft(), {entry.key: entry.size for entry in entries}
        else:
            for entry in entries:
                yield None, {entry.key: entry.size}
    yield from ((shard_id, {}) for shard_id in waiting)


def _order(shard_id: str) -> str:
    return f"{shard_id}-"


def _sweep(
    storage: Storage, parts: Mapping[str, list[PartName]], findings: Findings, force: bool
) -> tuple[int, str | None]:
    """Delete orphans, found anew; how many, or why not."""
    if findings.num_problems and not force:
        return 0, "nothing was deleted: beside problems, an orphan may be the last copy of a clip"
    return storage.delete(_orphans(storage, parts)), None


def _orphans(storage: Storage, parts: Mapping[str, list[PartName]]) -> Iterator[str]:
    for shard_id, objects in _walk(storage, parts):
        try:
            records = [record for part in parts.get(shard_id or "", ()) for record in load_part(storage, part)]
        except JobError:
            continue  # an unreadable manifest may name any of the shard's objects
        referenced = {record.audio for record in records}
        yield from (key for key in objects if key.startswith(AUDIO_PREFIX) and key not in referenced)
