"""Profiles kept between runs, one file each, in speechmill's cache folder. A file that cannot be read is no profile."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from ..device.disk_cache import DiskCache, file_name
from .profile import RULES, Profile, ProfileKey

LOCK_S = 60.0
"""How long a replica waits for another on its machine that measures the same; then it measures, too."""


class ProfileCache:
    """Profiles by what they hold for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = DiskCache("profiles", folder)

    def get(self, key: ProfileKey) -> Profile | None:
        """The profile for exactly this key."""
        profile = self._files.read(_name(key), Profile.from_json)
        return profile if profile and profile.key == key else None

    def put(self, profile: Profile) -> None:
        """Keep a profile, in place of the one before."""
        self._files.write(_name(profile.key), profile.to_json())

    def latest(self, model: str, revision: str, backend: str, device: str, options: str) -> Profile | None:
        """The newest profile of a model, whatever it was measured on."""
        wanted = (model, revision, backend, device, options, RULES)
        for name in self._files.newest_first(f"{_plain(model)}-*.json"):
            profile = self._files.read(name, Profile.from_json)
            if profile is not None:
                key = profile.key
                if (key.model, key.revision, key.backend, key.device, key.options, key.rules) == wanted:
                    return profile
        return None

    def measuring(self, key: ProfileKey) -> AbstractContextManager[None]:
        """One at a time on this machine: two that measure at once would measure each other."""
        return self._files.exclusive(_name(key), LOCK_S)


def _name(key: ProfileKey) -> str:
    return file_name(asdict(key), f"{_plain(key.model)}-")


def _plain(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", model)
