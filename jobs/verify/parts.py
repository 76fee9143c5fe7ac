"""What a listing says of an output: the manifests that count, those that should, and each shard with its objects.

Not known here: what is in an object.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import groupby

from ...actors.records.keys import MANIFEST_PREFIX
from ...actors.records.manifest import PartName
from ...cluster.commit.names import Stamp
from ...cluster.commit.root import NO_NAMES
from ...cluster.storage import Storage
from ...errors import JobError
from ..output.output_file import OutputFile
from .clips import ClipCheck
from .report import Findings
from .texts import TextCheck

Owner = ClipCheck | TextCheck
"""Knows whose an object is, and whether it is what a manifest says."""


Parts = dict[str, list[PartName]]
"""Manifests by shard."""


def parts_by_shard(storage: Storage, output: OutputFile, findings: Findings) -> tuple[Parts, Parts]:
    """Manifests that count, and those that only earlier generations have.

    More than one that counts of a shard is a problem that the caller names.
    """
    parts: Parts = {}
    earlier: Parts = {}
    names, by_run, stamps = NO_NAMES, Counter[int](), dict[str, str]()
    for entry in storage.list(MANIFEST_PREFIX):
        if not is_manifest(entry.key):
            continue
        part = output.counted(entry.key)
        if part is None:
            if output.is_kept(entry.key) and entry.size:
                findings.earlier(entry.size)
                earlier.setdefault(PartName.parse(entry.key).shard_id, []).append(PartName.parse(entry.key))
            else:
                findings.orphan(entry.key, entry.size)
            continue
        names = names.plus([part.key])
        if part.stamp:
            by_run[Stamp.parse(part.stamp).run] += 1
            if (other := stamps.setdefault(part.stamp, part.key)) != part.key:
                findings.problem(f"{part.key} has the number of a commit that {other} has too; one of them was renamed")
        parts.setdefault(part.shard_id, []).append(part)
    if fault := output.names_fault(names):
        findings.problem(f"{fault}; restore them, or run the job with --repair, which speaks again what is missing")
    if output.root.names is None:
        for run, adopted in output.root.adopted:
            if by_run[run] != len(adopted):
                what = f"of run {run}, {len(adopted)} manifests were there when the next one began"
                findings.problem(f"{what}; {by_run[run]} are there")
    return parts, earlier


def is_manifest(key: str) -> bool:
    """Whether a run may have written a manifest of this name."""
    try:
        return bool(PartName.parse(key))
    except JobError:
        return False


def walk(storage: Storage, owner: Owner, committed: Iterable[str]) -> Iterator[tuple[str | None, dict[str, int]]]:
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
