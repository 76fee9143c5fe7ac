"""Rows of an output of any size, searched a page at a time, and their clips.

Guaranteed: a step opens at most so many manifests that it searches MAX_STEP_ROWS rows; memory is that of the names of
the manifests, a few manifests and a few clips. Only rows of manifests that count are shown, and only their clips.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...actors.records.keys import MANIFEST_PREFIX
from ...actors.records.part_name import PartName
from ...actors.records.record import Record
from ...cluster.storage import Storage
from ...errors import JobError
from ..output.bounded_read import MANIFEST_BYTES, get_bounded
from ..output.output_file import OutputFile
from ..output.reader import Layout, load_part
from .clip_store import ClipStore

PAGE_ROWS = 24
MAX_STEP_ROWS = 200_000
_NUM_PARTS = 32
_NUM_CLIPS = 16
_MAX_KEPT_BYTES = 8 << 20
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows are wanted.

    Attributes:
        text: In the id, the text or the text as spoken; capitals do not matter
        voice: The whole name; "" for all
        status: "ok", "failed", or "" for both
        after: `next` of the page before; "" for the first one
    """

    text: str = ""
    voice: str = ""
    status: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows that were found, in the order of the manifests.

    Attributes:
        rows: Each with the key of its manifest
        next: Where to go on; "" if all is searched
        num_searched: Rows of the manifests that this step looked at
        unread: Manifests that could not be read
    """

    rows: Sequence[tuple[str, Record]]
    next: str
    num_searched: int
    unread: Sequence[str]


class Browser:
    """The rows of one output. It may be used by several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._parts: OrderedDict[str, list[Record]] = OrderedDict()
        self._clips: OrderedDict[tuple[str, int], tuple[Record, bytes]] = OrderedDict()
        self._output = OutputFile.load(storage)
        container = None if self._output.is_text else Layout.of(storage, self._output.job.spec).container
        self._store = None if container is None else ClipStore(storage, container)
        self._names: list[PartName] = []
        self._list()

    def find(self, query: RowQuery) -> RowPage:
        """The next rows that are wanted.

        Raises:
            ValueError: For a place to go on from that no page has given
        """
        if not query.after:
            self._list()
        key, row = _place(query.after)
        wanted = query.text.strip().lower()
        needles = [_as_stored(some) for some in (wanted, query.voice) if some]
        found: list[tuple[str, Record]] = []
        num_searched, unread = 0, list[str]()
        for name in self._names:
            if name.key < key:
                continue
            if num_searched >= MAX_STEP_ROWS:
                return RowPage(found, f"{name.key}|-1", num_searched, unread)
            num_searched += name.num_ok + name.num_failed
            if (query.status == "failed" and not name.num_failed) or (query.status == "ok" and not name.num_ok):
                continue
            try:
                records = self._part(name, needles)
            except JobError as error:
                unread.append(str(error))
                continue
            for record in records:
                if (name.key == key and record.row <= row) or not _is_wanted(record, query, wanted):
                    continue
                found.append((name.key, record))
                if len(found) == PAGE_ROWS:
                    return RowPage(found, f"{name.key}|{record.row}", num_searched, unread)
        return RowPage(found, "", num_searched, unread)

    def clip(self, key: str, row: int) -> tuple[Record, bytes]:
        """A row that is ok, and its encoded clip.

        Raises:
            JobError: No manifest that counts has this key and row, or the clip is missing or damaged
        """
        with self._lock:
            if (kept := self._clips.get((key, row))) is not None:
                return kept
        name = self._output.counted(key)
        record = None if name is None else next((some for some in self._part(name) if some.row == row), None)
        if record is None or self._store is None:
            raise JobError(f"row {row} is in no manifest of this key that counts")
        data = self._store.read(record)
        if len(data) <= _MAX_KEPT_BYTES:
            self._keep(self._clips, (key, row), (record, data), _NUM_CLIPS)
        return record, data

    def _list(self) -> None:
        """Take the names of the manifests as they are now: a run may be writing."""
        output = OutputFile.load(self._storage)
        names: list[PartName] = []
        for entry in self._storage.list(MANIFEST_PREFIX):
            try:
                part = output.counted(entry.key) if entry.size else None
            except JobError:
                continue
            if part is not None:
                names.append(part)
        self._output, self._names = output, names

    def _part(self, name: PartName, needles: Sequence[str] = ()) -> list[Record]:
        """The records of a manifest; none if one of the needles is nowhere in it: reading every line takes longer."""
        with self._lock:
            if (kept := self._parts.get(name.key)) is not None:
                return kept
        if needles:
            text = get_bounded(self._storage, name.key, MANIFEST_BYTES).decode("utf-8", "replace").lower()
            if not all(needle in text for needle in needles):
                return []
        records = load_part(self._storage, name)
        self._keep(self._parts, name.key, records, _NUM_PARTS)
        return records

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            while len(kept) > most:
                kept.popitem(last=False)


def _is_wanted(record: Record, query: RowQuery, text: str) -> bool:
    if query.status and record.status != query.status:
        return False
    if query.voice and record.voice != query.voice:
        return False
    texts = (record.id, record.text, record.normalized_text or record.refined or "")
    return not text or any(text in some.lower() for some in texts)


def _as_stored(text: str) -> str:
    """How a text stands in the JSON of a manifest, in small letters."""
    return json.dumps(text, ensure_ascii=False)[1:-1].lower()


def _place(after: str) -> tuple[str, int]:
    if not after:
        return "", -1
    key, _, row = after.rpartition("|")
    return key, int(row)
