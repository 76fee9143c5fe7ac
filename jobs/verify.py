"""Check an output from its objects alone: every row once, what was made of it there and whole, nothing unowned.

Guaranteed: each object is listed once and read at most once, a part in memory at a time; problems are counted all and
named up to `MAX_NAMED`. Sweeping deletes only objects under audio/ (of a job that refines, under text/) that no
manifest names, and only where all else is well: beside a damaged manifest, an orphan may be the last copy of a clip.
Not known here: what the text sounds like, and whether the audio is of the text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby, islice

from ..actors.manifest import MANIFEST_PREFIX, PartName, Record
from ..actors.segment import Utterance
from ..cluster.commit.root import NO_NAMES
from ..cluster.holder import DRIVER_KEY
from ..cluster.lease import Lease
from ..cluster.sharding import digest
from ..cluster.storage.base import Storage
from ..errors import JobError
from .bitmap import RowBitmap
from .claim import sweep as sweep_dead
from .complete import COMPLETE_KEY, Complete
from .containers.base import AUDIO_PREFIX
from .identity import JOB_KEY
from .output_file import OutputFile
from .plan_log import is_plan_key
from .reader import Layout, load_part
from .texts import TEXT_PREFIX
from .verify_clips import ClipCheck
from .verify_report import Findings, VerifyReport
from .verify_texts import TextCheck

Owner = ClipCheck | TextCheck
"""Knows whose an object is, and whether it is what a manifest says."""
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
    Raises JobError where there is no output, and for a sweep without complete.json unless `force`; OutputBusy for a
    sweep beside a run.
    """
    output = OutputFile.load(storage)
    with Lease.take(storage) if sweep else nullcontext():
        return _verify(storage, output, decode=decode, sweep=sweep, force=force, progress=progress)[0]


def damaged_manifests(storage: Storage, output: OutputFile) -> list[str]:
    """Keys of the manifests that have any problem, in themselves or in what they name."""
    return _verify(storage, output, decode=True, sweep=False, force=False, progress=None)[1]


def _verify(
    storage: Storage, output: OutputFile, *, decode: bool, sweep: bool, force: bool, progress: Progress | None
) -> tuple[VerifyReport, list[str]]:
    owner, findings, complete = _owner(storage, output, decode=decode), Findings(), output.complete
    if sweep and complete is None and not force:
        raise JobError(
            f"{storage.uri} is not complete: a run may still be writing what looks like an orphan. "
            "Let the run end first, or sweep with force when none is running."
        )
    parts = _parts(storage, output, findings)
    check = _Check(storage, owner, findings, None if complete is None else complete.num_rows)
    num_done = 0
    for shard_id, objects in _walk(storage, owner, parts):
        if shard_id is None:
            check.unowned(objects)
            continue
        check.shard(shard_id, parts[shard_id], objects)
        num_done += 1
        if progress:
            progress(num_done, len(parts))
    check.rows(complete)
    swept, refused = _sweep(storage, output, findings, force) if sweep else (0, None)
    task = "refine" if output.is_text else "speak"
    report = findings.report(storage.uri, task, complete, len(parts), check.num_missing, swept, refused)
    return report, sorted(check.damaged)


def _owner(storage: Storage, output: OutputFile, *, decode: bool) -> Owner:
    if output.is_text:
        return TextCheck(storage)
    return ClipCheck(storage, Layout.of(storage, output.job.spec), decode=decode)


class _Check:
    """One pass over the output."""

    def __init__(self, storage: Storage, owner: Owner, findings: Findings, num_rows: int | None) -> None:
        self._storage = storage
        self._owner = owner
        self._findings = findings
        self._num_rows = num_rows
        self._seen = RowBitmap()
        self.damaged: set[str] = set()

    @property
    def num_missing(self) -> int:
        """Rows that no manifest holds, of those promised or else up to the largest seen."""
        end = self._seen.end if self._num_rows is None else self._num_rows
        return end - len(self._seen)

    def unowned(self, objects: Mapping[str, int]) -> None:
        """Objects that belong to no committed shard."""
        for key, size in objects.items():
            if key.startswith(self._owner.prefix):
                self._findings.orphan(key, size)
            elif key not in {JOB_KEY, COMPLETE_KEY, DRIVER_KEY} and not _is_manifest(key) and not is_plan_key(key):
                self._findings.stray(key)

    def shard(self, shard_id: str, parts: list[PartName], objects: Mapping[str, int]) -> None:
        """Check a committed shard's manifest (or manifests, which is a problem) and the shard's objects."""
        if len(parts) > 1:
            self._findings.problem(f"shard {shard_id} has {len(parts)} manifests: {', '.join(p.key for p in parts)}")
        referenced: set[str] = set()
        rows: set[int] = set()
        is_readable = True
        for part in parts:
            num_problems = self._findings.num_problems
            try:
                records = load_part(self._storage, part)
                self._manifest(part, records, rows)
                referenced |= self._owner.part(part, records, objects, self._findings)
            except JobError as error:
                self._findings.problem(str(error))
                is_readable = False
            if self._findings.num_problems > num_problems or len(parts) > 1:
                self.damaged.add(part.key)
        for key, size in objects.items():
            # An unreadable manifest may name any of them.
            if key not in referenced and is_readable:
                self._findings.orphan(key, size)

    def _manifest(self, part: PartName, records: list[Record], rows: set[int]) -> None:
        digest = rows_digest(records) if part.content else part.digest  # of format 2, it cannot be made anew
        found = PartName.of(part.window, part.index, digest, records)
        if found != replace(part, stamp="", content=""):
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

    def rows(self, complete: Complete | None) -> None:
        """Check that no row is missing, once every manifest is read."""
        if complete is None:
            return
        gaps = [f"{first}" if first == last else f"{first} to {last}" for first, last in self._gaps(11)]
        if gaps:
            names = ", ".join(gaps[:10]) + (" and more" if len(gaps) > 10 else "")
            self._findings.problem(f"{self.num_missing} rows are in no manifest: {names}")
        for name, found in (("num_ok", self._findings.num_ok), ("num_failed", self._findings.num_failed)):
            if (promised := getattr(complete, name)) != found:
                self._findings.problem(f"the job was completed with {name} {promised}, the manifests have {found}")

    def _gaps(self, limit: int) -> Iterable[tuple[int, int]]:
        return islice(self._seen.missing(self._num_rows or 0), limit)


def rows_digest(records: Sequence[Record]) -> str:
    """Of a manifest's rows, as the plan has it of the corpus's."""
    return digest([Utterance(r.row, r.id, r.text, r.seed or 0, r.voice, r.speed or 1.0, r.metadata) for r in records])


def _parts(storage: Storage, output: OutputFile, findings: Findings) -> dict[str, list[PartName]]:
    """Manifests that count, by shard; more than one a shard is a problem that `_Check.shard` names."""
    parts: dict[str, list[PartName]] = {}
    names = NO_NAMES
    for entry in storage.list(MANIFEST_PREFIX):
        if not _is_manifest(entry.key):
            continue
        part = output.counted(entry.key)
        if part is None:
            findings.orphan(entry.key, entry.size)
            continue
        names = names.plus([part.key])
        parts.setdefault(part.shard_id, []).append(part)
    if output.root.names not in (None, names):
        findings.problem(
            f"the job was completed with {output.root.names.num_names} manifests; {names.num_names} are there, "
            "and they are not the same"
            if output.root.names.num_names == names.num_names
            else f"the job was completed with {output.root.names.num_names} manifests; {names.num_names} are there"
        )
    return parts


def _is_manifest(key: str) -> bool:
    try:
        return bool(PartName.parse(key))
    except JobError:
        return False


def _walk(storage: Storage, owner: Owner, committed: Iterable[str]) -> Iterator[tuple[str | None, dict[str, int]]]:
    """Every committed shard with its objects' sizes, and None with each object that belongs to none of them.

    One listing is merged with the sorted shards: all keys of a shard begin alike, so they are listed together.
    """
    waiting = deque(sorted(committed, key=owner.order))
    done: set[str] = set()
    for shard_id, entries in groupby(storage.list(), lambda entry: owner.shard_of(entry.key)):
        if shard_id in done:
            raise JobError(f"{storage.uri} is not listed in the order of its keys; it cannot be verified")
        while shard_id is not None and waiting and owner.order(waiting[0]) < owner.order(shard_id):
            done.add(waiting[0])
            yield waiting.popleft(), {}
        if shard_id is not None and waiting and waiting[0] == shard_id:
            done.add(shard_id)
            yield waiting.popleft(), {entry.key: entry.size for entry in entries}
        else:
            for entry in entries:
                yield None, {entry.key: entry.size}
    yield from ((shard_id, {}) for shard_id in waiting)


def _sweep(storage: Storage, output: OutputFile, findings: Findings, force: bool) -> tuple[int, str | None]:
    """Delete what cannot count any more; how many keys, or why none."""
    if not output.root.run:
        return 0, "nothing was deleted: the output is of an older version, whose names do not say what is over"
    if findings.num_problems and not force:
        return 0, "nothing was deleted: beside problems, an orphan may be the last copy of a clip"
    prefix = TEXT_PREFIX if output.is_text else AUDIO_PREFIX
    return sweep_dead(storage, output.root, (prefix, MANIFEST_PREFIX)), None
