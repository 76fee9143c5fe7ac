"""Profiles kept between runs, one file each, in speechmill's cache folder. Unreadable files count as missing."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from ..device.disk_cache import DiskCache, file_name
from .profile import RULES, Profile, ProfileKey

LOCK_S = 60.0
"""Seconds that a replica waits for another one that measures the same on this machine; then it measures, too."""


class ProfileCache:
    """Profiles by their keys."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = DiskCache("profiles", folder)

    def get(self, key: ProfileKey) -> Profile | None:
        """The profile for exactly this key."""
        profile = self._files.read(key_name(key), Profile.from_json)
        return profile if profile and profile.key == key else None

    def put(self, profile: Profile) -> None:
        """Store a profile in place of the one before."""
        self._files.write(key_name(profile.key), profile.to_json())

    def latest(self, model: str, revision: str, backend: str, device: str, options: str) -> Profile | None:
        """The newest profile of a model on any hardware."""
        wanted = (model, revision, backend, device, options, RULES)
        for name in self._files.newest_first(f"{plain_name(model)}-*.json"):
            profile = self._files.read(name, Profile.from_json)
            if profile is not None:
                key = profile.key
                if (key.model, key.revision, key.backend, key.device, key.options, key.rules) == wanted:
                    return profile
        return None

    def measuring(self, key: ProfileKey) -> AbstractContextManager[None]:
        """A lock on this machine: measurements at the same time would disturb each other."""
        return self._files.exclusive(key_name(key), LOCK_S)


def key_name(key: ProfileKey) -> str:
    """The name of the file of what was measured under a key."""
    return file_name(asdict(key), f"{plain_name(key.model)}-")


def plain_name(model: str) -> str:
    """The name of a model as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", model)
