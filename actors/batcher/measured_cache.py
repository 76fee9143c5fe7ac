"""What was measured of a model, kept between runs, one file each, in speechmill's cache folder.

Unreadable files count as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ..device.disk_cache import DiskCache, file_name
from .profile import RULES, ProfileKey

LOCK_S = 60.0
"""Seconds that a replica waits for another one that measures the same on this machine; then it measures, too."""


class Measured(Protocol):
    """What was measured under a key."""

    @property
    def key(self) -> ProfileKey:
        """What it holds for."""
        ...

    def to_json(self) -> str:
        """As JSON."""
        ...


Kept = TypeVar("Kept", bound=Measured)


class MeasuredCache(Generic[Kept]):
    """Measurements of one kind by their keys.

    Args:
        kind: The folder's name in the cache
        from_json: Reads what `to_json` wrote; ValueError for anything else
        folder: Another folder than that of the cache
    """

    def __init__(self, kind: str, from_json: Callable[[str], Kept], folder: Path | None = None) -> None:
        self._files, self._from_json = DiskCache(kind, folder), from_json

    def get(self, key: ProfileKey) -> Kept | None:
        """What was measured for exactly this key."""
        found = self._files.read(_name(key), self._from_json)
        return found if found and found.key == key else None

    def put(self, measured: Kept) -> None:
        """Store a measurement in place of the one before."""
        self._files.write(_name(measured.key), measured.to_json())

    def add(self, measured: Iterable[Kept]) -> None:
        """Store those of which there is none yet."""
        for one in measured:
            if self.get(one.key) is None:
                self.put(one)

    def latest(self, model: str, revision: str, backend: str, device: str, options: str) -> Kept | None:
        """The newest measurement of a model on any hardware."""
        wanted = (model, revision, backend, device, options, RULES)
        for name in self._files.newest_first(f"{_plain(model)}-*.json"):
            found = self._files.read(name, self._from_json)
            if found is not None:
                key = found.key
                if (key.model, key.revision, key.backend, key.device, key.options, key.rules) == wanted:
                    return found
        return None

    def measuring(self, key: ProfileKey) -> AbstractContextManager[None]:
        """A lock on this machine: measurements at the same time would disturb each other."""
        return self._files.exclusive(_name(key), LOCK_S)


def _name(key: ProfileKey) -> str:
    return file_name(asdict(key), f"{_plain(key.model)}-")


def _plain(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", model)
