"""Small files that are kept between runs on this machine: what was measured, chosen or hashed.

Guaranteed: a file is written whole or not at all, also beside another process that writes it; one that is torn, damaged
or of something else counts as not there; a folder that cannot be written costs time and nothing else.
Not known here: what is kept.

The folder is `SPEECHMILL_CACHE`, or else `speechmill` in `XDG_CACHE_HOME` or `~/.cache`; each kind has one inside it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

T = TypeVar("T")


class DiskCache:
    """The files of one kind, by name."""

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        """`folder`: by default that of the kind in `cache_folder()`."""
        self._kind = kind
        self.folder = folder or cache_folder() / kind

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """What `parse` makes of the file; None for one that is not there or that it cannot read.

        It may raise whatever the content of a foreign file makes of indexing, conversion and JSON.
        """
        path = self.folder / name
        try:
            return parse(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            logger.warning("%s is not read: %r", path, error)
            return None

    def write(self, name: str, text: str) -> None:
        """Keep a file, in place of the one before; where that is impossible, the next run does the work again."""
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, data: bytes) -> None:
        """As `write`, of bytes."""
        path = self.folder / name
        beside = path.with_name(f"{name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
            beside.replace(path)
        except OSError as error:
            logger.warning("%s/%s is not kept, the next run does that work again: %s", self._kind, name, error)

    def read_bytes(self, name: str, parse: Callable[[bytes], T]) -> T | None:
        """As `read`, of bytes; a file that is read counts as new."""
        path = self.folder / name
        try:
            found = parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
            logger.warning("%s is not read: %r", path, error)
            return None
        with suppress(OSError):  # a file of another user is read all the same
            os.utime(path)
        return found

    def keep_newest(self, pattern: str, max_bytes: int) -> None:
        """Remove the oldest files of a glob pattern until no more than these bytes are left."""
        found: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(pattern):
            try:
                state = path.stat()
            except OSError:
                continue  # another process has removed it
            found.append((state.st_mtime, state.st_size, path))
        left = sum(size for _, size, _ in found) - max_bytes
        for _, size, path in sorted(found):
            if left <= 0:
                return
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("%s is not removed: %s", path, error)
                continue
            left -= size

    def newest_first(self, pattern: str) -> list[str]:
        """Names of the files that match a glob pattern."""
        return sorted((path.name for path in self.folder.glob(pattern)), key=lambda name: -self.changed_s(name))

    def changed_s(self, name: str) -> float:
        """When the file was written, in seconds since 1970; 0 for none."""
        try:
            return (self.folder / name).stat().st_mtime
        except OSError:
            return 0.0

    @contextmanager
    def exclusive(self, name: str, timeout_s: float) -> Generator[None]:
        """One worker at a time on this machine has this name; after the timeout, the block runs without a lock."""
        path = (self.folder / name).with_suffix(".lock")
        lock = FileLock(path, timeout=timeout_s)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout) as error:
            logger.warning("working without a lock: %s", error)
        try:
            yield
        finally:
            lock.release()


def cache_folder() -> Path:
    """Where speechmill keeps files on this machine."""
    named = os.environ.get("SPEECHMILL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechmill"


def file_name(key: object, prefix: str = "") -> str:
    """The name of a JSON file for everything that its content holds for."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{prefix}{digest[:16]}.json"
