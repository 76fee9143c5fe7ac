"""Check an output from its objects alone: every row once, what was made of it there and whole, nothing unowned.

Guaranteed: each object is listed once and read at most once, a part in memory at a time; problems are counted all and
named up to `MAX_NAMED`. Sweeping deletes only objects under audio/ (of a job that refines, under text/) that no
manifest names, and only where all else is well: beside a damaged manifest, an orphan may be the last copy of a clip.
Not known here: what the text sounds like, and whether the audio is of the text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import groupby, islice

from ..actors.manifest import MANIFEST_PREFIX, PartName, Record
from ..cluster.holder import DRIVER_KEY
from ..cluster.lease import Lease
from ..cluster.storage.base import Storage
from ..errors import JobError, StorageMissing
from .bitmap import RowBitmap
from .complete import COMPLETE_KEY
from .identity import JOB_KEY
from .plan_log import is_plan_key
from .reader import Layout, is_text, load_job, load_object, load_part
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
    owner = _owner(storage, decode=decode)
    with Lease.take(storage) if sweep else nullcontext():
        return _verify(storage, owner, sweep=sweep, force=force, progress=progress)


def _verify(storage: Storage, owner: Owner, *, sweep: bool, force: bool, progress: Progress | None) -> VerifyReport:
    findings = Findings()
    complete = _complete(storage, findings)
    if sweep and complete is None and not force:
        raise JobError(
            f"{storage.uri} has no valid {COMPLETE_KEY}: a run may still be writing what looks like an orphan. "
            "Let the run end first, or sweep with force when none is running."
        )
    parts = _parts(storage)
    check = _Check(storage, owner, findings, None if complete is None else complete["num_rows"])
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
    swept, refused = _sweep(storage, owner, parts, findings, force) if sweep else (0, None)
    task = "refine" if isinstance(owner, TextCheck) else "speak"
    return findings.report(storage.uri, task, complete, len(parts), check.num_missing, swept, refused)


def _owner(storage: Storage, *, decode: bool) -> Owner:
    job = load_job(storage)
    if is_text(job):
        return TextCheck(storage)
    return ClipCheck(storage, Layout.of(storage, job), decode=decode)


class _Check:
    """One pass over the output."""

    def __init__(self, storage: Storage, owner: Owner, findings: Findings, num_rows: int | None) -> None:
        self._storage = storage
        self._owner = owner
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
            try:
                records = load_part(self._storage, part)
            except JobError as error:
                self._findings.problem(str(error))
                is_readable = False
                continue
            self._manifest(part, records, rows)
            referenced |= self._owner.part(part, records, objects, self._findings)
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


def _sweep(
    storage: Storage, owner: Owner, parts: Mapping[str, list[PartName]], findings: Findings, force: bool
) -> tuple[int, str | None]:
    """Delete orphans, found anew; how many, or why not."""
    if findings.num_problems and not force:
        return 0, "nothing was deleted: beside problems, an orphan may be the last copy of a clip"
    return storage.delete(_orphans(storage, owner, parts)), None


def _orphans(storage: Storage, owner: Owner, parts: Mapping[str, list[PartName]]) -> Iterator[str]:
    for shard_id, objects in _walk(storage, owner, parts):
        named: set[str] = set()
        try:
            for part in parts.get(shard_id or "", ()):
                named |= owner.named(part, load_part(storage, part))
        except JobError:
            continue  # an unreadable manifest may name any of the shard's objects
        yield from (key for key in objects if key.startswith(owner.prefix) and key not in named)
