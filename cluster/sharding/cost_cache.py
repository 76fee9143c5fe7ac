"""Corrected costs kept between runs, beside the profiles. A file that cannot be read is none."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import asdict
from pathlib import Path

from ...actors.batcher.cache import cache_folder, keep
from ...actors.models.base import ModelConfig, ModelInfo
from .sharding import CostModel

logger = logging.getLogger(__name__)


def recall(config: ModelConfig, info: ModelInfo) -> CostModel | None:
    """What rows of this model cost in the last run that this machine drove; None if there was none."""
    try:
        body = json.loads(_path(config, info).read_text(encoding="utf-8"))
        cost = CostModel(**{name: float(value) for name, value in body.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    figures = (cost.base_s, cost.char_s, cost.audio_char_s)
    return cost if all(math.isfinite(f) and f >= 0 for f in figures) and cost.base_s + cost.char_s > 0 else None


def remember(config: ModelConfig, info: ModelInfo, cost: CostModel) -> None:
    """Keep the costs for the next output."""
    try:
        keep(_path(config, info), json.dumps(asdict(cost)))
    except OSError as error:
        logger.warning("the costs are not kept, the next run estimates anew: %s", error)


def _path(config: ModelConfig, info: ModelInfo) -> Path:
    options = json.dumps(dict(config.options), sort_keys=True, default=str)
    key = json.dumps([config.name, info.revision, info.backend, config.device, options, config.task])
    return cache_folder() / "costs" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
