"""What replicas take of a GPU, kept between runs."""

from __future__ import annotations

from pathlib import Path

from .measured_cache import MeasuredCache
from .sharing import CardUse


class CardCache(MeasuredCache[CardUse]):
    """Measured uses of GPUs, by their keys."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__("cards", CardUse.from_json, folder)
