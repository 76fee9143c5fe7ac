"""What a listing says of an output: the manifests that count, those that should, and each shard with its objects.

Not known here: what is in an object.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import groupby

from ...actors.records.keys import AUDIO_PREFIX, MANIFEST_PREFIX, TEXT_PREFIX
from ...actors.records.part_name import PartName
from ...cluster.commit.adoptions import NO_NAMES
from ...cluster.commit.names import Stamp
from ...cluster.storage import Entry, Storage
from ...errors import JobError
from ..output.output_file import OutputFile
from .clips import ClipCheck
from .report import Findings
from .texts import TextCheck

Owner = ClipCheck | TextCheck
"""Knows whose an object is, and whether it is what a manifest says."""


_WINDOW = re.compile(rf"(?:{re.escape(AUDIO_PREFIX)}(?:[0-9a-f]+/)?|{re.escape(TEXT_PREFIX)})[0-9]{{6,}}-")


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


def _window_of(entry: Entry) -> str | None:
    """The beginning that an object's key shares with all keys of its window, None if it is not of that form."""
    match = _WINDOW.match(entry.key)
    return match[0] if match else None


def walk(storage: Storage, owner: Owner, committed: Iterable[str]) -> Iterator[tuple[str | None, dict[str, int]]]:
    """Every committed shard with its objects' sizes, and None with each object that belongs to none of them.

    One listing is merged with the sorted shards, the objects of a window in memory at a time: all keys of a window
    begin alike, so they are listed together.
    """
    waiting = deque(sorted(committed, key=lambda shard_id: (owner.order(shard_id), shard_id)))
    done: set[str] = set()
    for window, entries in groupby(storage.list(), _window_of):
        if window in done:
            raise JobError(f"{storage.uri} is not listed in the order of its keys; it cannot be verified")
        if window is None:
            yield from ((None, {entry.key: entry.size}) for entry in entries)
            continue
        done.add(window)
        while waiting and owner.order(waiting[0]) < window:
            yield waiting.popleft(), {}
        held: dict[str, dict[str, int]] = {}
        while waiting and owner.order(waiting[0]) == window:
            held[waiting.popleft()] = {}
        for entry in entries:
            objects = held.get(owner.shard_of(entry.key) or "")
            if objects is None:
                yield None, {entry.key: entry.size}
            else:
                objects[entry.key] = entry.size
        yield from held.items()
    yield from ((shard_id, {}) for shard_id in waiting)
