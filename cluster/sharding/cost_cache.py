"""Corrected costs kept between runs, beside the profiles. A file that cannot be read is none."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from ...actors.device.disk_cache import DiskCache, file_name
from ...actors.models.base import ModelConfig, ModelInfo
from .sharding import CostModel

KIND = "costs"


def recall(config: ModelConfig, info: ModelInfo) -> CostModel | None:
    """What rows of this model cost in the last run that this machine drove; None if there was none."""
    return DiskCache(KIND).read(_name(config, info), _parse)


def remember(config: ModelConfig, info: ModelInfo, cost: CostModel) -> None:
    """Keep the costs for the next output."""
    DiskCache(KIND).write(_name(config, info), json.dumps(asdict(cost)))


def _parse(text: str) -> CostModel:
    cost = CostModel(**{name: float(value) for name, value in json.loads(text).items()})
    figures = (cost.base_s, cost.char_s, cost.audio_char_s)
    if not all(math.isfinite(figure) and figure >= 0 for figure in figures) or not cost.base_s + cost.char_s:
        raise ValueError(f"{cost} is no estimate")
    return cost


def _name(config: ModelConfig, info: ModelInfo) -> str:
    options = json.dumps(dict(config.options), sort_keys=True, default=str)
    return file_name([config.name, info.revision, info.backend, config.device, options, config.task])
