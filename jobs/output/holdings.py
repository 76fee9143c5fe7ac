"""A check of the names in an output: are all manifests there, and objects for each? No object is opened.

`verify` checks the content of the objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ...actors.records.keys import AUDIO_PREFIX, TEXT_PREFIX
from ...actors.records.part_name import PartName
from ...cluster.commit.adoptions import NO_NAMES
from ...cluster.containers.base import shard_of, window_prefix
from ...cluster.storage import Storage
from ..corpus.parallel import in_order
from .ledger import Ledger, list_manifests
from .output_file import OutputFile
from .reader import Layout
from .texts import text_shard_of

MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Holdings:
    """The result of a check of the names.

    Attributes:
        ledger: The committed parts
        problems: A sentence for each kind of loss; empty if nothing is missing
    """

    ledger: Ledger
    problems: tuple[str, ...]

    @classmethod
    def of(cls, storage: Storage, output: OutputFile) -> Holdings:
        """Check an output: list its manifests, and if it is complete, find missing manifests and missing clips."""
        ledger, names = Ledger(), NO_NAMES
        for part in counted_parts(storage, output):
            ledger.add(part)
            names = names.plus([part.key])
        problems: list[str] = []
        if output.complete is not None:
            if fault := output.names_fault(names):
                problems.append(fault)
            elif ledger.totals.num_rows != output.complete.num_rows:
                problems.append(f"manifests hold {ledger.totals.num_rows} of {output.complete.num_rows} rows")
            lost = [part.shard_id for part in lost_parts(storage, output)]
            if lost:
                named = ", ".join(lost[:MAX_NAMED]) + (" and more" if len(lost) > MAX_NAMED else "")
                problems.append(f"nothing is stored of {len(lost)} shards that have a manifest: {named}")
        return cls(ledger, tuple(problems))


def counted_parts(storage: Storage, output: OutputFile) -> Iterator[PartName]:
    """The parts that count.

    Raises:
        JobError: A key under the manifests' prefix is not a manifest's
    """
    # An upload that broke off may leave an empty object (in SeaweedFS it does); a manifest is never empty.
    for entry in list_manifests(storage):
        part = output.counted(entry.key) if entry.size else None
        if part is not None:
            yield part


def lost_parts(storage: Storage, output: OutputFile) -> Iterator[PartName]:
    """Parts that count and have spoken rows, but no object of their shard is there."""
    if not output.is_text and (layout := Layout.of(storage, output.job.spec)).container.name == "files":
        # Each clip is an object, and a few hundred of a window's rows are of all its shards: no need to list them all.
        filled = (part for part in counted_parts(storage, output) if part.num_ok)
        by_window = (list(parts) for _, parts in groupby(filled, key=lambda part: part.window))
        for lost in in_order(partial(_lost_of_window, storage, layout.key_prefixes), by_window):
            yield from lost
        return
    held = _hashes(_shards(storage, output))
    for part in counted_parts(storage, output):
        if part.num_ok and not _is_in(held, part.shard_id):
            yield part


def _lost_of_window(storage: Storage, key_prefixes: int, parts: list[PartName]) -> list[PartName]:
    """The parts of one window that no object is left of."""
    missing = {part.shard_id for part in parts}
    for prefix in sorted({window_prefix(part.shard_id, key_prefixes) for part in parts}):
        left = {shard_id for shard_id in missing if window_prefix(shard_id, key_prefixes) == prefix}
        for entry in storage.list(prefix):
            if entry.size and (shard_id := shard_of(entry.key, key_prefixes)) is not None:
                left.discard(shard_id)
                missing.discard(shard_id)
            if not left:
                break
    return [part for part in parts if part.shard_id in missing]


def _shards(storage: Storage, output: OutputFile) -> Iterator[str]:
    """The ids of shards that have an object, each at least once."""
    if output.is_text:
        found = (text_shard_of(entry.key) for entry in storage.list(TEXT_PREFIX))
    else:
        prefixes = Layout.of(storage, output.job.spec).key_prefixes
        found = (shard_of(entry.key, prefixes) for entry in storage.list(AUDIO_PREFIX) if entry.size)
    last = None
    for shard_id in found:
        if shard_id is not None and shard_id != last:
            last = shard_id
            yield shard_id


def _hashes(shards: Iterator[str]) -> NDArray[np.uint64]:
    """Hashes of shards, sorted, 8 bytes each: a million shards take 8 MB."""
    return np.unique(np.fromiter(map(_hash, shards), np.uint64))


def _is_in(held: NDArray[np.uint64], shard_id: str) -> bool:
    at = int(np.searchsorted(held, np.uint64(_hash(shard_id))))
    return at < len(held) and int(held[at]) == _hash(shard_id)


def _hash(shard_id: str) -> int:
    return int.from_bytes(blake2b(shard_id.encode(), digest_size=8).digest(), "little")
