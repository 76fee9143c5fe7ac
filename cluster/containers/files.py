"""An object a clip, in the order of the corpus: `audio/000012-000098/000098304-mill-018.0003-r5f3a-7-9f2c1a.flac`.

Outputs of format 2 have `audio/<part>/<row>-<id>.flac`, which is read and audited too.

Guaranteed: memory is bounded by `MAX_PENDING_BYTES` and one clip, however slow the store; clips go up, and come
back, through a few threads, because a store's latency is many times what a clip takes to transfer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ...errors import JobError
from ..storage.base import Storage
from .base import (
    ClipInfo,
    Container,
    ContainerWriter,
    Fault,
    Place,
    ReadAnswer,
    by_object,
    clip_key,
    misnamed,
    part_of_clip,
    split_part,
    unanswered,
    window_prefix,
)

NUM_THREADS = 8
MAX_PENDING = 64
MAX_PENDING_BYTES = 32 << 20


class Files(Container):
    """Every clip is an object of its own."""

    name = "files"

    def open_part(self, storage: Storage, part: str, extension: str, key_prefixes: int = 0) -> ContainerWriter:
        split_part(part)  # refuses a name that could be another part's
        return _FilesWriter(storage, part, extension, key_prefixes)

    def keys_of(self, storage: Storage, part: str, key_prefixes: int = 0) -> Iterator[str]:
        for entry in storage.list(window_prefix(split_part(part)[0], key_prefixes)):
            if part_of_clip(entry.key) == part:
                yield entry.key

    def read(self, storage: Storage, places: Sequence[Place]) -> Iterator[ReadAnswer]:
        pending: deque[tuple[str, Future[bytes]]] = deque()
        todo = [(key, member) for key, members in by_object(places).items() for member in members]
        with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="clips") as pool:
            try:
                for key, member in todo:
                    if member is not None:
                        yield from unanswered(storage, key, [member], None)
                        continue
                    pending.append((key, pool.submit(storage.get, key)))
                    if len(pending) > NUM_THREADS:
                        yield _answer(*pending.popleft())
                while pending:
                    yield _answer(*pending.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def audit(self, storage: Storage, told: Mapping[Place, ClipInfo], extension: str) -> Iterator[ReadAnswer | Fault]:
        for (key, _), clip in told.items():
            wanted = ""
            if part := part_of_clip(key):
                wanted = _tail(clip_key(part, clip.row, clip.id, extension))
            yield from misnamed(key, _tail(key) if wanted else key.rpartition("/")[2], clip, extension, wanted)
        yield from self.read(storage, list(told))


class _FilesWriter(ContainerWriter):
    def __init__(self, storage: Storage, part: str, extension: str, key_prefixes: int) -> None:
        self._storage = storage
        self._part = part
        self._extension = extension
        self._key_prefixes = key_prefixes
        self._pool = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="clips")
        self._pending: deque[tuple[int, Future[None]]] = deque()
        self._pending_bytes = 0

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> Place:
        key = clip_key(self._part, row, id, self._extension, self._key_prefixes)
        while self._pending and (
            len(self._pending) >= MAX_PENDING or self._pending_bytes + len(encoded) > MAX_PENDING_BYTES
        ):
            self._wait_one()
        self._pending.append((len(encoded), self._pool.submit(self._storage.put, key, encoded)))
        self._pending_bytes += len(encoded)
        return key, None

    def close(self) -> None:
        try:
            while self._pending:
                self._wait_one()
        finally:
            self.abort()

    def abort(self) -> None:
        self._pending.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _wait_one(self) -> None:
        num_bytes, upload = self._pending.popleft()
        self._pending_bytes -= num_bytes
        upload.result()


def _tail(key: str) -> str:
    """A clip's folder and name."""
    return "/".join(key.split("/")[-2:])


def _answer(key: str, download: Future[bytes]) -> ReadAnswer:
    """A refused or missing object is an answer; a store that is down is raised."""
    try:
        return (key, None), download.result()
    except JobError as error:
        return (key, None), error
