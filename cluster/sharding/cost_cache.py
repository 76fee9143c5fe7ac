"""Corrected costs kept between runs, beside the profiles. A file that cannot be read is none."""

from __future__ import annotations

import json
import math
from typing import get_args

from ...actors.device.disk_cache import DiskCache, file_name
from ...actors.models.base import CostUnit, ModelConfig, ModelInfo
from .sharding import CostModel

KIND, ATTEMPTS = "costs", "attempts"


def recall(config: ModelConfig, info: ModelInfo) -> CostModel | None:
    """What rows of this model cost in the last run that this machine drove; None if there was none.

    None, too, if texts were measured in another unit then.
    """
    cost = DiskCache(KIND).read(_name(config, info), _parse)
    return cost if cost is not None and cost.unit == info.cost_unit else None


def remember(config: ModelConfig, info: ModelInfo, cost: CostModel) -> None:
    """Keep the costs for the next output."""
    DiskCache(KIND).write(_name(config, info), json.dumps(cost.stored))


def recall_attempts(config: ModelConfig, info: ModelInfo, gate: str) -> float:
    """How many attempts a row took in the last run with these judges on this machine; 1 if there was none."""
    return DiskCache(ATTEMPTS).read(_name(config, info, gate), _parse_attempts) or 1.0


def remember_attempts(config: ModelConfig, info: ModelInfo, gate: str, attempts: float) -> None:
    """Keep how many attempts a row takes, for `plan`.

    Args:
        gate: Names the judges and what they reject
    """
    DiskCache(ATTEMPTS).write(_name(config, info, gate), json.dumps(attempts))


def _parse_attempts(text: str) -> float:
    attempts = float(json.loads(text))
    if not 1 <= attempts <= 100:
        raise ValueError(f"{attempts} attempts at a row")
    return attempts


def _parse(text: str) -> CostModel:
    told = json.loads(text)
    if (unit := told.pop("unit", "characters")) not in get_args(CostUnit):
        raise ValueError(f"{unit!r} is no unit")
    cost = CostModel(**{name: float(value) for name, value in told.items()}, unit=unit)
    figures = (cost.base_s, cost.char_s, cost.audio_char_s)
    if not all(math.isfinite(figure) and figure >= 0 for figure in figures) or not cost.base_s + cost.char_s:
        raise ValueError(f"{cost} is no estimate")
    return cost


def _name(config: ModelConfig, info: ModelInfo, gate: str = "") -> str:
    options = json.dumps(dict(config.options), sort_keys=True, default=str)
    return file_name(
        [config.name, info.revision, info.backend, config.device, options, config.task, *([gate] if gate else [])]
    )
