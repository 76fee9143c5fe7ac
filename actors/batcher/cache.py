"""Profiles kept between runs, one file each, in the user's cache folder. A file that cannot be read is no profile.

The folder is `SPEECHMILL_CACHE`, or else `speechmill` in `XDG_CACHE_HOME` or `~/.cache`. Where it cannot be written,
every run measures anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from .profile import RULES, Profile, ProfileKey

logger = logging.getLogger(__name__)

LOCK_S = 60.0
"""How long a replica waits for another on its machine that measures the same; then it measures, too."""


class ProfileCache:
    """Profiles by what they hold for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder() / "profiles"

    def get(self, key: ProfileKey) -> Profile | None:
        """The profile for exactly this key."""
        profile = _read(self._path(key))
        return profile if profile and profile.key == key else None

    def put(self, profile: Profile) -> None:
        """Keep a profile, in place of the one before."""
        try:
            keep(self._path(profile.key), profile.to_json())
        except OSError as error:
            logger.warning("the profile is not kept, the next run measures again: %s", error)

    def latest(self, model: str, revision: str, backend: str, device: str, options: str) -> Profile | None:
        """The newest profile of a model, whatever it was measured on."""
        wanted = (model, revision, backend, device, options, RULES)
        for path in sorted(self._folder.glob(f"{_plain(model)}-*.json"), key=_age):
            profile = _read(path)
            if profile is not None:
                key = profile.key
                if (key.model, key.revision, key.backend, key.device, key.options, key.rules) == wanted:
                    return profile
        return None

    @contextmanager
    def measuring(self, key: ProfileKey) -> Generator[None]:
        """One at a time on this machine: two that measure at once would measure each other."""
        path = self._path(key).with_suffix(".lock")
        lock = FileLock(path, timeout=LOCK_S)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout) as error:
            logger.warning("measuring without a lock: %s", error)
        try:
            yield
        finally:
            lock.release()

    def _path(self, key: ProfileKey) -> Path:
        digest = hashlib.sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()
        return self._folder / f"{_plain(key.model)}-{digest[:16]}.json"


def cache_folder() -> Path:
    """Where speechmill keeps what it measured on this machine."""
    named = os.environ.get("SPEECHMILL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechmill"


def keep(path: Path, text: str) -> None:
    """Write a file of the cache: whole or not at all, also beside another process that writes it. Raises OSError."""
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _plain(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", model)


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path) -> Profile | None:
    try:
        return Profile.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("%s is not read: %s", path, error)
        return None
