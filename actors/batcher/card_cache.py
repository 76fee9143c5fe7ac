"""What replicas take of a GPU, kept between runs beside the profiles. Unreadable files count as missing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..device.disk_cache import DiskCache
from .profile import RULES, ProfileKey
from .profile_cache import LOCK_S, key_name, plain_name
from .sharing import CardUse


class CardCache:
    """Measured uses of GPUs, by their keys."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = DiskCache("cards", folder)

    def get(self, key: ProfileKey) -> CardUse | None:
        """The use for exactly this key."""
        use = self._files.read(key_name(key), CardUse.from_json)
        return use if use and use.key == key else None

    def put(self, use: CardUse) -> None:
        """Store a use in place of the one before."""
        self._files.write(key_name(use.key), use.to_json())

    def latest(self, model: str, revision: str, backend: str, options: str) -> CardUse | None:
        """The newest use of a model on any GPU."""
        wanted = (model, revision, backend, options, RULES)
        for name in self._files.newest_first(f"{plain_name(model)}-*.json"):
            use = self._files.read(name, CardUse.from_json)
            if use and (use.key.model, use.key.revision, use.key.backend, use.key.options, use.key.rules) == wanted:
                return use
        return None

    def measuring(self, key: ProfileKey) -> AbstractContextManager[None]:
        """A lock on this machine: measurements at the same time would disturb each other."""
        return self._files.exclusive(key_name(key), LOCK_S)
