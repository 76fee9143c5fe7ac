"""Files and folders on a disk, written so that they are still there after a power cut.

Guaranteed: a name appears with its whole content; when `written` returns, content and name are on disk, and so is
every folder made for them. `alone` shuts out other threads and processes, on other machines too if the file system's
locks reach that far.
Not known here: keys, and what a store is. File systems that cannot sync a folder keep its names in their own time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from ...errors import SpeechmillError, StorageDenied, StorageFull, StorageMissing, StorageUnavailable
from .keys import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

LOCK_S = 10.0
"""How long to wait for a lock that others hold for milliseconds: who holds it longer is paused, or hangs."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}
# `delete` may prune a folder between our mkdir and our open; it is made again this often before that is an error.
_FOLDER_TRIES = 20
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
# ENOENT: pruned meanwhile, with what lay in it. EACCES: a folder may be writable without being readable.
_UNSYNCED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOENT, errno.ENOTDIR, errno.EACCES}


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
def translated(action: str, path: object) -> Generator[None]:
    """OSErrors inside as errors of speechmill's."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, action, path) from error


@contextlib.contextmanager
def written(path: Path, *, is_new: bool = False) -> Generator[BinaryIO]:
    """A file to write into; it gets its name at the end. Raises OSError.

    is_new   FileExistsError, and nothing written, if something of that name is there by then
    """
    with temporary(path.parent) as (file, beside):
        yield file
        file.flush()
        os.fsync(file.fileno())
        if is_new:
            _name_anew(beside, path)
        else:
            beside.replace(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def temporary(folder: Path) -> Generator[tuple[BinaryIO, Path]]:
    """A new hidden file in a folder that is made on demand; removed unless it was renamed."""
    path = folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    file = _create(path)
    try:
        with file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path) -> Generator[None]:
    """Others that ask for this folder wait. Raises StorageUnavailable when one has held it for `LOCK_S`, OSError."""
    try:
        lock = _lock(folder).acquire(LOCK_S, poll_interval=0.01)
    except Timeout as error:
        raise StorageUnavailable(
            f"writing to {folder}: another process has held its lock for {LOCK_S:g} s; "
            "see whether one is stopped or hangs there, end it, then run again"
        ) from error
    with lock:
        yield


def can_lock(folder: Path) -> bool:
    """Whether the file system has locks. Raises OSError for any other reason why it gave none."""
    try:
        with _lock(folder).acquire(0):
            return True
    except Timeout:
        return True  # another one has it
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise


def _lock(folder: Path) -> FileLock:
    """The lock's file stays: removing it would let two hold locks of the same name."""
    return FileLock(folder / f"{TEMPORARY_PREFIX}lock{TEMPORARY_SUFFIX}")


def _name_anew(beside: Path, path: Path) -> None:
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links; only a writer without the lock could come in between
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        beside.replace(path)


def _create(path: Path) -> BinaryIO:
    for attempt in range(_FOLDER_TRIES):
        try:
            make_folder(path.parent)
            return path.open("xb")
        except (FileNotFoundError, FileExistsError):  # also from mkdir: the folder was there, and then it was not
            if attempt == _FOLDER_TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def make_folder(folder: Path) -> None:
    """Make a folder and those that it lies in, and bring their names to disk. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
