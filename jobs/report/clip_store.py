"""Single clips of an output of any size, read by ranges.

Guaranteed: what is returned has the digest that the manifest says. A tar is not read through for each clip: its headers
are read once, and each clip is then one range. Of a table, only the row group of the clip is read.
"""

from __future__ import annotations

import tarfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import BinaryIO

from ...actors.audio import encoding as audio
from ...actors.records.record import Record
from ...cluster.containers import Container
from ...cluster.storage import Storage
from ...errors import JobError

_BLOCK = tarfile.BLOCKSIZE
_MAX_MEMBERS = 1 << 20
_NUM_TARS = 64
_MAX_CLIP_BYTES = 1 << 30

TarIndex = Mapping[str, tuple[int, int]]
"""Members of a tar: where the data of each begins, and how many bytes it has."""


class ClipStore:
    """The clips of one output. It may be used by several threads."""

    def __init__(self, storage: Storage, container: Container) -> None:
        self._storage, self._container = storage, container
        self._tars: OrderedDict[str, TarIndex] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, record: Record) -> bytes:
        """The encoded clip of a row that is ok.

        Raises:
            JobError: The clip is missing, or is not what the manifest says
            StorageUnavailable: The store does not answer
        """
        if record.audio is None:
            raise JobError(f"row {record.row} has no clip: {record.error or 'it is text'}")
        data = self._bytes(record, record.audio)
        if audio.sha256(data) != record.audio_sha256:
            where = self._storage.location(record.audio)
            raise JobError(f"{where}, row {record.row}: these are not the bytes that the manifest promises")
        return data

    def _bytes(self, record: Record, key: str) -> bytes:
        if self._container.name == "webdataset" and isinstance(record.member, str):
            return self._from_tar(key, record.member)
        place = key, record.member
        for _, found in self._container.read(self._storage, [place]):
            if isinstance(found, JobError):
                raise found
            return found
        raise JobError(f"{self._storage.location(key)}: row {record.row} is not in it")

    def _from_tar(self, key: str, member: str) -> bytes:
        with self._lock:
            index = self._tars.get(key)
        with self._storage.open(key) as file:
            if index is None:
                try:
                    index = tar_index(file)
                except (tarfile.TarError, ValueError) as error:
                    raise JobError(f"{self._storage.location(key)} is no whole tar: {error}") from error
            if member not in index:
                raise JobError(f"{self._storage.location(key)}: member {member!r:.200} is not in it")
            offset, size = index[member]
            if size > _MAX_CLIP_BYTES:
                raise JobError(f"{self._storage.location(key)}: member {member!r:.200} has {size:,} bytes")
            file.seek(offset)
            data = file.read(size)
        with self._lock:
            self._tars[key] = index
            self._tars.move_to_end(key)
            while len(self._tars) > _NUM_TARS:
                self._tars.popitem(last=False)
        return data


def tar_index(file: BinaryIO) -> TarIndex:
    """Where the members of a tar are, from its headers alone.

    Raises:
        tarfile.TarError: A header is damaged, or the tar has far too many
    """
    index: dict[str, tuple[int, int]] = {}
    offset = 0
    for _ in range(_MAX_MEMBERS):
        file.seek(offset)
        block = file.read(_BLOCK)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            return index
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.size < 0:
            raise tarfile.ReadError(f"member {header.name!r:.80} has {header.size} bytes")
        if header.isreg():
            index.setdefault(header.name, (offset + _BLOCK, header.size))
        offset += _BLOCK + -(-header.size // _BLOCK) * _BLOCK
    raise tarfile.ReadError(f"more than {_MAX_MEMBERS} members")
