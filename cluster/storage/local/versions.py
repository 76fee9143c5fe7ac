"""The files and links of a swap (see `local_swap`): versions of one file, replaced without a lock.

Guaranteed: as `local_swap` promises, where the file system has links and makes each name once (`can_swap`); a version
is on disk before it is claimed, and its name is when `replace` returns. Beside the file lie hidden names that end in
`.tmp`: claims of the last `KEEP_S`, and what killed processes left; none is ever read as an object.
Not known here: keys.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

from ....errors import StorageUnavailable
from ..keys import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from .files import sync_folder
from .swap import ClaimBroken, ClaimVersion, FindClaim, FindOld, IsThere, Look, Move, Remove, Stage, Step, swap

KEEP_S = 600.0
"""So long claims of versions that are over stay: another machine may not see at once which version is in place."""

_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_NOT_MADE = _NO_LINKS | {errno.EACCES, errno.ENOSPC, errno.EDQUOT}
_CLAIM_SUFFIX = f".next{TEMPORARY_SUFFIX}"
_VERSION = re.compile(r"\.[0-9a-f]{32}\.tmp")
_MAX_NAME = 64


class Versions:
    """One file, as one swap sees it.

    Args:
        look: Tells the tag of the version in place, None for none.
    """

    def __init__(self, path: Path, look: Callable[[], str | None]) -> None:
        self._path = path
        self._folder = path.parent
        self._look = look
        self._prefix = f"{TEMPORARY_PREFIX}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}."

    def replace(self, old: str, new: str, data: bytes) -> bool:
        """Replace the version with the tag `old`; whether that was done.

        Raises:
            StorageUnavailable: The store does not answer
            OSError: The file system refuses
        """
        steps = swap(old, new, _new_name())
        try:
            step = next(steps)
            while True:
                step = steps.send(self._do(step, data))
        except StopIteration as end:
            return bool(end.value)
        except ClaimBroken as error:
            raise StorageUnavailable(
                f"writing {self._path}: {self._claim(old)} names {error}, which is gone; "
                "remove that file when no run writes there, then run again"
            ) from error

    def _do(self, step: Step, data: bytes) -> object:
        answer: object = None
        match step:
            case Look():
                answer = self._look()
            case FindClaim(old):
                answer = self._claimed(old)
            case Stage(name):
                self._stage(name, data)
            case ClaimVersion(old, name):
                answer = self._make_claim(old, name)
            case FindOld(old):
                answer = self._find_old(old)
            case Move(name):
                answer = self._move(name)
            case IsThere(name):
                answer = (self._folder / name).exists()
            case Remove(names, claim_of):
                for name in names:
                    (self._folder / name).unlink(missing_ok=True)
                if claim_of is not None:
                    self._claim(claim_of).unlink(missing_ok=True)
        return answer

    def _claim(self, old: str) -> Path:
        return self._folder / f"{self._prefix}{old}{_CLAIM_SUFFIX}"

    def _claimed(self, old: str) -> str | None:
        try:
            name = self._claim(old).read_bytes()[:_MAX_NAME].decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        if not _VERSION.fullmatch(name):  # a file that no swap made must not move anything
            raise ClaimBroken(name)
        return name

    def _stage(self, name: str, data: bytes) -> None:
        path = self._folder / name
        try:
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise

    def _make_claim(self, old: str, name: str) -> str:
        # Written before it is linked: a claim is there as a whole or not at all. No symbolic link: a copy
        # of the folder should hold none whose file is gone.
        draft = _new_name()
        self._stage(draft, name.encode())
        try:
            while True:
                try:
                    self._claim(old).hardlink_to(self._folder / draft)
                    return name
                except FileExistsError:  # of another swap, or of this one, if the answer of a network mount got lost
                    if (follows := self._claimed(old)) is not None:
                        return follows
                except OSError as error:
                    if error.errno in _NOT_MADE:  # after any other error it may be there, or come yet
                        (self._folder / name).unlink(missing_ok=True)
                    raise
        finally:
            (self._folder / draft).unlink(missing_ok=True)

    def _find_old(self, old: str) -> tuple[str, ...]:
        try:
            last_s = self._claim(old).lstat().st_mtime - KEEP_S
        except FileNotFoundError:
            return ()
        names: list[str] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(self._prefix) and entry.name.endswith(_CLAIM_SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        if entry.stat(follow_symlinks=False).st_mtime <= last_s:
                            names.append(entry.name)
        return tuple(name for name in names if name != self._claim(old).name)

    def _move(self, name: str) -> bool:
        try:
            (self._folder / name).replace(self._path)
        except FileNotFoundError:
            return False
        finally:
            sync_folder(self._folder)
        return True


def can_swap(folder: Path) -> bool:
    """Whether the file system has links, and makes each name once.

    Raises:
        OSError: For other reasons
    """
    file, link = folder / _new_name(), folder / _new_name()
    try:
        file.touch(exist_ok=False)
        link.hardlink_to(file)
        link.hardlink_to(file)
    except FileExistsError:
        return True
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    finally:
        for path in (file, link):
            path.unlink(missing_ok=True)
    return False


def _new_name() -> str:
    return f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
