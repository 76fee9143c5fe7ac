"""Profiles kept between runs."""

from __future__ import annotations

from pathlib import Path

from .measured_cache import MeasuredCache
from .profile import Profile


class ProfileCache(MeasuredCache[Profile]):
    """Profiles by their keys."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__("profiles", Profile.from_json, folder)
