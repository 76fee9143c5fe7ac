"""A tar compared with the one that the writer of its clips makes: each clip, its JSON file, and nothing else.

Guaranteed: no fault if and only if the tar is, byte for byte, what the writer makes of these clips in some order. Of a
tar whose clips an update has kept in part, other clips and their JSON files are read over. A
header is compared with the one that its name and size make, so no kind of member is ever interpreted.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ...errors import JobError
from ..storage.base import Storage
from .base import ClipInfo, Fault, Member, ReadAnswer, misnamed, stem, unanswered
from .webdataset import READ_BYTES, beside, header_of

BLOCK = tarfile.BLOCKSIZE
RECORD = tarfile.RECORDSIZE
MAX_STRANGERS = 20
"""Members that are no row's: after so many, a tar is another one, and is not read on."""


def audit_tar(
    storage: Storage, key: str, told: Mapping[Member, ClipInfo], extension: str
) -> Iterator[ReadAnswer | Fault]:
    """Answers for the members that were told of, in the order of the tar, and its faults."""
    left = dict(told)
    for member, clip in told.items():
        yield from misnamed(key, member, clip, extension)
    cause: Exception | None = None
    try:
        with storage.open(key) as file:
            for found in _Audit(key, file, left).run():
                if not isinstance(found, Fault):
                    del left[found[0][1]]
                yield found
    except (tarfile.TarError, JobError, EOFError, ValueError) as error:
        cause = error
    if cause is not None and not left:
        yield Fault(key, f"cannot be read to its end: {cause}")
    yield from unanswered(storage, key, list(left), cause)


class _Audit:
    """One pass over a tar. `left` are the clips that were not met yet; the caller takes them away."""

    def __init__(self, key: str, file: BinaryIO, left: Mapping[Member, ClipInfo]) -> None:
        self._key, self._file, self._left = key, file, left
        self._size = file.seek(0, io.SEEK_END)
        self._at = file.seek(0)
        self._has_others = any(clip.is_kept for clip in left.values())

    def run(self) -> Iterator[ReadAnswer | Fault]:
        """Read the tar to its end.

        Raises:
            TarError: A member cannot be read on
            EOFError: The tar ends too early
            ValueError: A header is none
        """
        beside_it: ClipInfo | None = None
        num_strangers = 0
        while (block := self._read(BLOCK)) != bytes(BLOCK):
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")  # pyright: ignore[reportArgumentType]
            name, size = header.name, header.size
            if not 0 <= size <= self._size - self._at:
                raise EOFError(f"member {name!r:.200} has {size} bytes, which the tar does not hold")
            if block != header_of(name, size).tobuf(tarfile.USTAR_FORMAT):
                yield self._fault(f"member {name!r:.200} has a header that was not written so")
            is_file = header.isreg() and not header.issparse()
            if beside_it is not None:
                clip, beside_it = beside_it, None
                if name == f"{stem(clip.row, clip.id)}.json":
                    yield from self._beside(clip, self._read(size) if is_file else b"")
                    yield from self._padding(name, size)
                    continue
                yield self._fault(f"row {clip.row}: no JSON file follows its clip")
            if name in self._left and is_file:
                beside_it = self._left[name]
                yield (self._key, name), self._read(size)
            elif self._has_others and is_file:
                self._skip(size)  # of a row that was updated since
            else:
                yield self._fault(f"member {name!r:.200} is no row's")
                num_strangers += 1
                if num_strangers >= MAX_STRANGERS:
                    raise ValueError(f"it has {num_strangers} members and more that are no row's")
                self._skip(size)
            yield from self._padding(name, size)
        if beside_it is not None:
            yield self._fault(f"row {beside_it.row}: no JSON file follows its clip")
        yield from self._end()

    def _beside(self, clip: ClipInfo, found: bytes) -> Iterator[Fault]:
        wanted = beside(clip)
        if found != wanted:
            yield self._fault(f"row {clip.row}: the JSON file beside its clip {_difference(found, wanted)}")

    def _padding(self, name: str, size: int) -> Iterator[Fault]:
        if any(self._read(-size % BLOCK)):
            yield self._fault(f"member {name!r:.200} is followed by bytes that were not written")

    def _end(self) -> Iterator[Fault]:
        wanted = -(-(self._at + BLOCK) // RECORD) * RECORD
        is_empty = True
        while self._at < self._size and is_empty:
            is_empty = not any(self._read(min(READ_BYTES, self._size - self._at)))
        if not is_empty or self._size != wanted:
            yield self._fault(f"the end of its {self._size} bytes is not the one of a tar of these clips")

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._at += len(data)
        if len(data) != size:
            raise EOFError("it is cut off")
        return data

    def _skip(self, size: int) -> None:
        self._at = self._file.seek(size, io.SEEK_CUR)

    def _fault(self, text: str) -> Fault:
        return Fault(self._key, text)


def _difference(found: bytes, wanted: bytes) -> str:
    try:
        there: object = json.loads(found)
    except (ValueError, RecursionError):
        there = None
    if not isinstance(there, dict):
        return "is no JSON object"
    should: dict[str, object] = json.loads(wanted)
    names = sorted(name for name in there.keys() | should.keys() if there.get(name) != should.get(name))
    return f"differs from the manifest in {', '.join(names):.200}" if names else "is not spelt as it was written"
