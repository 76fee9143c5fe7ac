"""A folder as an object store.

Guaranteed: `put` is atomic, and bytes and name are on disk when it returns (temporary file, fsync, rename, fsync of
the folder); so it is with `put_if`, in which a paused process keeps no other one waiting; no key and no symbolic link
leads out of the folder; `list` is lazy, shows no write in progress, and holds the names of one folder per level in
memory.
Deliberately not known: who else writes here. Files that vanish while they are listed are passed over.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ....errors import StorageConflict, StorageDenied, StorageMissing
from ..base import Entry, Storage, Tagged
from ..guard import check_guard
from ..keys import check_key, check_prefix, is_temporary
from .files import make_folder, storage_error, temporary, translated, written
from .versions import Versions, can_swap

_COPY_BYTES = 1 << 20


class LocalStorage(Storage):
    """Objects as files below one folder, which is made by the first `put`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        # Absolute, so that a copy in a process with another working directory means the same folder.
        self._root = Path(root).absolute()
        self.uri = str(self._root)

    def check(self, *, write: bool) -> None:
        """Raise if the folder is not there (or, with `write`, if no file can be made in it)."""
        if not write:
            with translated("opening", self._root), os.scandir(self._root):
                return
        with translated("writing to", self._root), temporary(self._root) as (file, _):
            file.write(b"speechmill")
            file.flush()
            os.fsync(file.fileno())

    def refuse_impossible(self) -> None:
        """Raise what `check` would raise for a place where no folder or file can be made; leaves nothing there."""
        place = self._root
        while not place.exists() and place != place.parent:
            place = place.parent
        with translated("writing to", self._root), tempfile.TemporaryFile(dir=place):
            pass

    def put(self, key: str, data: bytes | Path) -> None:
        """Write a file whole; it gets its name once it is on disk.

        Raises:
            StorageFull: The store has no room left
            StorageDenied: The store refuses the request
        """
        path = self._inside(key)
        if isinstance(data, Path):
            with translated("reading the upload", data):
                source: BinaryIO = data.open("rb")
        else:
            source = io.BytesIO(data)
        check_guard()
        with source, translated("writing", path), written(path) as file:
            shutil.copyfileobj(source, file, _COPY_BYTES)

    def get(self, key: str) -> bytes:
        """The whole file.

        Raises:
            StorageMissing: No object lies under the key
        """
        with self.open(key) as file:
            return file.read()

    def get_tagged(self, key: str) -> Tagged:
        """The whole file, its tag a digest of it.

        Raises:
            StorageMissing: No object lies under the key
        """
        data = self.get(key)
        return Tagged(data, _tag_of(data))

    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        """Write a file if its content still has this tag, or, with None, if there is none; waits for no other writer.

        Of plain writes and deletes of the same key only those are noticed that come before.

        Raises:
            StorageConflict: The object is no longer the one that was read
            StorageUnavailable: The store does not answer
            StorageFull: The store has no room left
            StorageDenied: The store refuses the request
        """
        path, new = self._inside(key), _tag_of(data)
        with translated("writing", path):
            try:
                if tag is not None:
                    is_written = Versions(path, lambda: self._tag(key)).replace(tag, new, data)
                else:
                    with written(path, is_new=True) as file:
                        file.write(data)
                    is_written = True
            except FileExistsError:
                is_written = self._tag(key) == new  # on a network mount, an answer may get lost
            except FileNotFoundError:
                if tag is None:
                    raise
                is_written = False  # an output that was deleted is not to come back
        if not is_written:
            raise StorageConflict(f"writing {path}: another writer came first")
        return new

    def can_put_if(self) -> bool:
        """Whether the file system has links, and makes each name once.

        Raises:
            StorageDenied: The store refuses the request
        """
        with translated("writing to", self._root):
            make_folder(self._root)
            return can_swap(self._root)

    def open(self, key: str) -> BinaryIO:
        """The file, opened for reading.

        Raises:
            StorageMissing: No file is there, or none that is regular
        """
        path = self._inside(key, follow=True)
        with translated("reading", path):
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
            check_guard()
            path = self._inside(key)
            with (
                translated("deleting", path),
                contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            ):
                path.unlink()
                self._prune(path.parent)
        return count

    def exists(self, key: str) -> bool:
        """Whether `get` would find the object."""
        path = self._inside(key, follow=True)
        with translated("looking at", path):
            return path.is_file()

    def _tag(self, key: str) -> str | None:
        try:
            return self.get_tagged(key).tag
        except StorageMissing:
            return None

    def _inside(self, key: str, *, follow: bool = False) -> Path:
        """The path of a key.

        Raises:
            StorageDenied: If a link on its way (with `follow`: or it) leads out
        """
        path = self._root / check_key(key)
        if not _has_link(self.uri, key if follow else key.rpartition("/")[0]):
            return path  # as nearly all: to resolve a path looks at each of its folders, from the first one on
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
        if _has_link(self.uri, head.removesuffix("/")):
            return  # the prefix goes through a link to a folder; those are not followed
        stack = [(head, [name for name in _names(f"{self.uri}/{head}") if name.startswith(start)])]
        while stack:
            head, names = stack[-1]
            if not names:
                stack.pop()
                continue
            key = head + names.pop()
            if key.endswith("/"):
                stack.append((key, _names(f"{self.uri}/{key}")))
            elif entry := _entry(f"{self.uri}/{key}", key):
                yield entry


class _LocalFile(io.FileIO):
    """A file whose read errors are speechmill's."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with translated("reading", self.name):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with translated("reading", self.name):
            return super().readall()


def _has_link(root: str, way: str) -> bool:
    """Whether a part of a relative path below a folder is a symbolic link, as far as can be seen."""
    place = root
    for part in way.split("/") if way else ():
        place = f"{place}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return True
        except OSError:  # it is not there, or may not be looked at: then nothing below it can be reached
            return False
    return False


def _tag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would otherwise wait for its writer


def _names(folder: str) -> list[str]:
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
        raise storage_error(error, "listing", folder.rstrip("/")) from error
    names.sort(reverse=True)
    return names


def _entry(path: str, key: str) -> Entry | None:
    """What is listed for a name; None if it vanished, or is neither a file nor a link to one."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of every listed file: a Path costs more than the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise storage_error(error, "listing", path) from error
    if not stat.S_ISREG(found.st_mode):
        return None
    return Entry(key, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")
