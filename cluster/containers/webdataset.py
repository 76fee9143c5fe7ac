"""A tar a part, as webdataset reads it: `<row>-<id>.flac` beside `<row>-<id>.json`, under one basename.

Guaranteed: the same clips give the same bytes (headers carry no time and no user); the tar grows on the local
disk, not in memory; it is read by member name in one pass and never extracted.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from ...actors.records.json_line import dumps
from ...errors import JobError
from ..storage.base import Storage
from .base import (
    ClipInfo,
    Container,
    ContainerWriter,
    Fault,
    Member,
    Place,
    ReadAnswer,
    by_key,
    by_object,
    local_disk,
    part_prefix,
    path_of,
    scratch_file,
    stem,
    unanswered,
)

READ_BYTES = 1 << 20


class WebDataset(Container):
    """One tar for all clips of a part."""

    name = "webdataset"

    def open_part(self, storage: Storage, part: str, extension: str, key_prefixes: int = 0) -> ContainerWriter:
        return _TarWriter(storage, f"{part_prefix(part, key_prefixes)}.tar", extension)

    def read(self, storage: Storage, places: Sequence[Place]) -> Iterator[ReadAnswer]:
        for key, members in by_object(places).items():
            yield from _read_tar(storage, key, members)

    def audit(self, storage: Storage, told: Mapping[Place, ClipInfo], extension: str) -> Iterator[ReadAnswer | Fault]:
        from .tar_audit import audit_tar

        for key, clips in by_key(told).items():
            yield from audit_tar(storage, key, clips, extension)


def beside(clip: ClipInfo) -> bytes:
    """The JSON file beside a clip."""
    return dumps({"id": clip.id, "row": clip.row, **clip.sidecar}).encode("utf-8")


def header_of(name: str, num_bytes: int) -> tarfile.TarInfo:
    """The header of a member. A fresh one has time 0, user 0 and mode 0644."""
    header = tarfile.TarInfo(name)
    header.size = num_bytes
    return header


class _TarWriter(ContainerWriter):
    def __init__(self, storage: Storage, key: str, extension: str) -> None:
        self._storage = storage
        self._key = key
        self._extension = extension
        self._file: IO[bytes] | None = None
        self._tar: tarfile.TarFile | None = None

    def add(self, row: int, id: str, encoded: bytes, sidecar: Mapping[str, object]) -> Place:
        name = stem(row, id)
        described = beside(ClipInfo(row, id, sidecar))
        with local_disk():
            if self._file is None or self._tar is None:
                self._file = scratch_file(".tar")
                self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)
            for extension, data in ((self._extension, encoded), ("json", described)):
                self._tar.addfile(header_of(f"{name}.{extension}", len(data)), io.BytesIO(data))
        return self._key, f"{name}.{self._extension}"

    def close(self) -> None:
        try:
            if self._file is not None and self._tar is not None:
                with local_disk():
                    self._tar.close()
                    self._file.flush()
                self._storage.put(self._key, path_of(self._file))
        finally:
            self.abort()

    def abort(self) -> None:
        file, self._file, self._tar = self._file, None, None
        if file is not None:
            with local_disk():
                file.close()


def _read_tar(storage: Storage, key: str, members: Sequence[Member]) -> Iterator[ReadAnswer]:
    """Members of one tar, in its order; then an answer for each that was not found."""
    wanted = dict.fromkeys(members)
    cause: Exception | None = None
    try:
        with storage.open(key) as file, tarfile.open(fileobj=file, mode="r|", bufsize=READ_BYTES) as tar:
            for header in tar:
                if header.name not in wanted or not header.isreg() or header.issparse():
                    continue
                content = tar.extractfile(header)
                data = content.read() if content else b""
                if len(data) != header.size:
                    break
                del wanted[header.name]
                yield (key, header.name), data
                if not wanted:
                    break
    # Headers of headers of headers: `tarfile` calls itself for each.
    except (tarfile.TarError, JobError, EOFError, ValueError, RecursionError) as error:
        cause = error
    yield from unanswered(storage, key, list(wanted), cause)
