"""A folder as an object store.

Guaranteed: `put` is atomic and its bytes are on disk when it returns (temporary file, fsync, rename); no key and
no symbolic link leads out of the folder; `list` is lazy, shows no write in progress, and holds the names of one
folder per level in memory.
Deliberately not known: who else writes here. Files that vanish while they are listed are passed over.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import uuid
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ...errors import SpeechmillError, StorageDenied, StorageFull, StorageMissing, StorageUnavailable
from .base import Entry, Storage
from .keys import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, check_key, check_prefix, is_temporary

_COPY_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}
# `delete` may prune a folder between our mkdir and our open; it is made again this often before that is an error.
_FOLDER_TRIES = 20


class LocalStorage(Storage):
    """Objects as files below one folder, which is made by the first `put`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        # Absolute, so that a copy in a process with another working directory means the same folder.
        self._root = Path(root).absolute()
        self.uri = str(self._root)

    def check(self, *, write: bool) -> None:
        """Raise if the folder is not there (or, with `write`, if no file can be made in it)."""
        if not write:
            with _translated("opening", self._root), os.scandir(self._root):
                return
        with _translated("writing to", self._root), _temporary(self._root) as (file, _):
            file.write(b"speechmill")
            file.flush()
            os.fsync(file.fileno())

    def put(self, key: str, data: bytes | Path) -> None:
        """Write a file whole; it gets its name once it is on disk. Raises StorageFull and StorageDenied."""
        path = self._inside(key)
        if isinstance(data, Path):
            with _translated("reading the upload", data):
                source: BinaryIO = data.open("rb")
        else:
            source = io.BytesIO(data)
        with source, _translated("writing", path), _temporary(path.parent) as (file, temporary):
            shutil.copyfileobj(source, file, _COPY_BYTES)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)

    def get(self, key: str) -> bytes:
        """The whole file. Raises StorageMissing."""
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> BinaryIO:
        """The file, opened for reading. Raises StorageMissing, also for what is no regular file."""
        path = self._inside(key, follow=True)
        with _translated("reading", path):
            raw = _LocalFile(str(path), opener=_open_without_waiting)
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raw.close()
            raise StorageMissing(f"reading {path}: it is no regular file")
        return cast(BinaryIO, io.BufferedReader(raw, _COPY_BYTES))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Files in key order. Links to folders are not followed. An absent folder holds nothing."""
        check_prefix(prefix)
        head = prefix[: prefix.rfind("/") + 1]
        return self._walk(head, prefix[len(head) :])

    def delete(self, keys: Iterable[str]) -> int:
        """Remove files, and the folders that this empties. The number of keys asked for."""
        count = 0
        for key in keys:
            count += 1
            path = self._inside(key)
            with (
                _translated("deleting", path),
                contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            ):
                path.unlink()
                self._prune(path.parent)
        return count

    def exists(self, key: str) -> bool:
        """Whether `get` would find the object."""
        path = self._inside(key, follow=True)
        with _translated("looking at", path):
            return path.is_file()

    def _inside(self, key: str, *, follow: bool = False) -> Path:
        """The path of a key. Raises StorageDenied if a link on its way (with `follow`: or it) leads out."""
        path = self._root / check_key(key)
        real = os.path.realpath(path if follow else path.parent)
        if not Path(real).is_relative_to(os.path.realpath(self._root)):
            raise StorageDenied(
                f"{path} is reached through a symbolic link that leads out of {self.uri}, to {real}; "
                f"name that place itself in the job, or copy the file"
            )
        return path

    def _prune(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty, gone already, or not ours to remove: all fine
                return
            folder = folder.parent

    def _walk(self, head: str, start: str) -> Iterator[Entry]:
        if Path(os.path.realpath(self._root / head)) != Path(os.path.realpath(self._root)) / head:
            return  # the prefix goes through a link to a folder; those are not followed
        stack = [(head, [name for name in _names(self._root / head) if name.startswith(start)])]
        while stack:
            head, names = stack[-1]
            if not names:
                stack.pop()
                continue
            key = head + names.pop()
            if key.endswith("/"):
                stack.append((key, _names(self._root / key)))
            elif entry := _entry(self._root / key, key):
                yield entry


class _LocalFile(io.FileIO):
    """A file whose read errors are speechmill's."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with _translated("reading", self.name):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with _translated("reading", self.name):
            return super().readall()


def storage_error(error: OSError, action: str, path: object) -> SpeechmillError:
    """What an OSError means for a store: StorageFull, StorageDenied, StorageMissing or StorageUnavailable."""
    what, reason, code = f"{action} {path}", error.strerror or str(error), error.errno
    is_read = not action.startswith("writing")
    if code in _FULL:
        return StorageFull(f"{what}: {reason}; free some space (or quota) there, then run the same job again")
    if code in _DENIED:
        return StorageDenied(f"{what}: {reason}; give this user access, or choose another place")
    if code == errno.ENAMETOOLONG:
        return StorageDenied(f"{what}: {reason}; a part of a path has 255 bytes at most")
    if code == errno.ENOENT or (is_read and code in _IN_THE_WAY):
        return StorageMissing(f"{what}: {reason}")
    if code in _IN_THE_WAY:
        return StorageDenied(f"{what}: {reason}; a file cannot also be a folder: rename or remove the one in the way")
    return StorageUnavailable(f"{what}: {reason}; see whether the disk or network mount is well, then run again")


@contextlib.contextmanager
def _translated(action: str, path: object) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, action, path) from error


@contextlib.contextmanager
def _temporary(folder: Path) -> Generator[tuple[BinaryIO, Path]]:
    """A new hidden file in a folder that is made on demand; removed unless it was renamed."""
    path = folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    file = _create(path)
    try:
        with file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def _create(path: Path) -> BinaryIO:
    for attempt in range(_FOLDER_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
        except (FileNotFoundError, FileExistsError):  # also from mkdir: the folder was there, and then it was not
            if attempt == _FOLDER_TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would otherwise wait for its writer


def _names(folder: Path) -> list[str]:
    """The names in a folder, last first, folders with a trailing "/" so that names sort as whole keys do."""
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names.append(f"{entry.name}/")
                elif not is_temporary(entry.name):
                    names.append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, "listing", folder) from error
    names.sort(reverse=True)
    return names


def _entry(path: Path, key: str) -> Entry | None:
    """What is listed for a name; None if it vanished, or is neither a file nor a link to one."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise storage_error(error, "listing", path) from error
    if not stat.S_ISREG(found.st_mode):
        return None
    return Entry(key, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")
