"""Clips that a table names by path: relative to a folder, absolute, or in S3. They are read, never written."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ...actors.records.reference import NamedClip
from ...errors import JobError, RowRejected, StorageMissing
from . import open_storage
from .base import S3Options, Storage
from .schemes import split_scheme

MAX_BYTES = 1 << 31
"""More is no clip."""
_MOST_BUCKETS = 16


@dataclass(frozen=True, slots=True)
class AudioFiles:
    """Reads clips.

    Attributes:
        root: Where relative paths begin: a folder, or s3://bucket/prefix
    """

    root: str
    s3: S3Options | None = None
    _stores: dict[str, Storage] = field(default_factory=dict[str, Storage], compare=False, repr=False)

    def __getstate__(self) -> tuple[str, S3Options | None]:
        return self.root, self.s3

    def __setstate__(self, state: tuple[str, S3Options | None]) -> None:
        for name, value in zip(("root", "s3", "_stores"), (*state, {}), strict=True):
            object.__setattr__(self, name, value)

    def location(self, path: str) -> str:
        """The full path or URI of a clip."""
        scheme, rest = split_scheme(path)
        if scheme == "file":
            return unquote(rest.removeprefix("localhost"))
        if scheme == "s3":
            return f"s3://{rest}"
        if self.root.startswith("s3://"):
            return f"{self.root.rstrip('/')}/{path}"
        return str(Path(self.root, path))

    def read(self, path: str, max_bytes: int | None = None) -> bytes:
        """The bytes of a clip.

        Args:
            max_bytes: More are refused before they are fetched; None: of a local file as many as a clip may have

        Raises:
            JobError: There is no such file, it has more bytes, or it cannot be read
            StorageUnavailable: The store does not answer
        """
        where = self.location(path)
        if where.startswith("s3://"):
            return self._from_s3(where, max_bytes)
        return _from_disk(where, max_bytes or MAX_BYTES)

    def state(self, path: str) -> str:
        """Changes when a local clip is replaced; "" for one in S3, which is not looked at."""
        where = self.location(path)
        if where.startswith("s3://"):
            return ""
        try:
            found = Path(where).stat()
        except (OSError, ValueError):
            return "missing"
        return f"{found.st_size} {found.st_mtime_ns}"

    def is_there(self, path: str) -> bool:
        """Whether the clip is there, as far as that can be told; raises what the store raises."""
        where = self.location(path)
        if not where.startswith("s3://"):
            return self.state(path) != "missing"
        store, key = self._in_bucket(where)
        return store.exists(key)

    def _from_s3(self, where: str, max_bytes: int | None) -> bytes:
        store, key = self._in_bucket(where)
        try:
            if max_bytes is None:
                return store.get(key)
            with store.open(key) as file:
                if file.seek(0, io.SEEK_END) > max_bytes:
                    raise JobError(_too_large(where, max_bytes))
                file.seek(0)
                return file.read()
        except StorageMissing as error:
            raise JobError(f"{where}: there is no such object") from error

    def _in_bucket(self, where: str) -> tuple[Storage, str]:
        """The store of a bucket, one for all its clips unless there are many buckets, and the key in it."""
        bucket, _, key = where.removeprefix("s3://").partition("/")
        store = self._stores.get(bucket)
        if store is None:
            store = open_storage(f"s3://{bucket}", self.s3)
            if len(self._stores) >= _MOST_BUCKETS:
                self._stores.clear()  # a client takes megabytes, and rows may name any number of buckets
            self._stores[bucket] = store
        return store, key


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """Reads the recordings that rows of a corpus name: beside its file, by an absolute path, or in S3."""

    s3: S3Options | None = None
    _files: dict[str, AudioFiles] = field(default_factory=dict[str, AudioFiles], compare=False, repr=False)

    def __getstate__(self) -> tuple[S3Options | None]:
        return (self.s3,)

    def __setstate__(self, state: tuple[S3Options | None]) -> None:
        object.__setattr__(self, "s3", state[0])
        object.__setattr__(self, "_files", {})

    def location(self, named: NamedClip) -> str:
        """The full path or URI of a clip."""
        return AudioFiles(named.folder, self.s3).location(named.clip)

    def read(self, location: str, max_bytes: int) -> bytes:
        """The bytes of a clip.

        Raises:
            RowRejected: There is no such clip, it has more bytes, or it cannot be read
            StorageUnavailable: The store does not answer
        """
        files = self._files.setdefault("", AudioFiles("", self.s3))
        try:
            return files.read(location, max_bytes)
        except JobError as error:
            raise RowRejected(str(error)) from error


def _too_large(where: str, max_bytes: int) -> str:
    return f"{where} has more than {max_bytes:,} bytes; that is no clip"


def _from_disk(where: str, max_bytes: int) -> bytes:
    try:
        path = Path(where)
        if not path.is_file():
            raise JobError(f"{where}: there is no such file")
        if path.stat().st_size > max_bytes:
            raise JobError(_too_large(where, max_bytes))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise JobError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from error
