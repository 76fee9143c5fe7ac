"""Files and folders on a disk, written so that they are still there after a power cut.

Guaranteed: a name appears with its whole content; when `written` returns, content and name are on disk, and so is
every folder made for them.
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

from ....errors import SpeechmillError, StorageDenied, StorageFull, StorageMissing, StorageUnavailable
from ..keys import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}
# `delete` may prune a folder between our mkdir and our open; it is made again this often before that is an error.
_FOLDER_TRIES = 20
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
    """A file to write into; it gets its name at the end.

    Args:
        path: That name.
        is_new: Nothing of that name may be there by then; needs hard links.

    Raises:
        FileExistsError: Something is, with `is_new`; nothing was written.
        OSError: It cannot be written.
    """
    with temporary(path.parent) as (file, beside):
        yield file
        file.flush()
        os.fsync(file.fileno())
        if is_new:
            path.hardlink_to(beside)
        else:
            beside.replace(path)
    sync_folder(path.parent)


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
    """Make a folder and those that it lies in, and bring their names to disk.

    Raises:
        OSError: The file system refuses
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk, where the file system can.

    Raises:
        OSError: The file system refuses
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
