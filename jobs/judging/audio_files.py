"""Clips that a table names by path: relative to a folder, absolute, or in S3. They are read, never written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ...cluster.storage import S3Options, Storage, open_storage
from ...errors import JobError, StorageMissing

MAX_BYTES = 1 << 31
"""More is no clip."""


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
        if path.startswith("file://"):
            return unquote(path.removeprefix("file://"))
        if path.startswith("s3://"):
            return path
        if self.root.startswith("s3://"):
            return f"{self.root.rstrip('/')}/{path}"
        return str(Path(self.root, path))

    def read(self, path: str) -> bytes:
        """The bytes of a clip.

        Raises:
            JobError: There is no such file, or it cannot be read
            StorageUnavailable: The store does not answer
        """
        where = self.location(path)
        return self._from_s3(where) if where.startswith("s3://") else _from_disk(where)

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
        folder, _, name = where.rpartition("/")
        return self._store(folder).exists(name)

    def _from_s3(self, where: str) -> bytes:
        folder, _, name = where.rpartition("/")
        try:
            return self._store(folder).get(name)
        except StorageMissing as error:
            raise JobError(f"{where}: there is no such object") from error

    def _store(self, folder: str) -> Storage:
        if folder not in self._stores:
            if len(self._stores) >= 64:
                self._stores.clear()
            self._stores[folder] = open_storage(folder, self.s3)
        return self._stores[folder]


def _from_disk(where: str) -> bytes:
    try:
        path = Path(where)
        if not path.is_file():
            raise JobError(f"{where}: there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise JobError(f"{where} has more than {MAX_BYTES:,} bytes; that is no clip")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise JobError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from error
