"""Thresholds: from defaults, a calibration and the job's options to reasons. Written once for all judges.

Guaranteed: a score, its threshold and the option that sets it have one name; the option wins over the calibration, the
calibration over the default; what is no number is refused by its key. Not known here: how a score is made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...errors import ModelError, did_you_mean
from .base import JudgeConfig, Limit


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a judge with their values; a check that is off has none in `values`."""

    limits: tuple[Limit, ...]
    values: Mapping[str, float]

    @classmethod
    def of(cls, limits: Sequence[Limit], config: JudgeConfig) -> Limits:
        """The values that hold under a configuration.

        Raises:
            ModelError: A threshold is no finite number
        """
        learned = config.calibration.get("thresholds", {})
        if not isinstance(learned, Mapping):
            raise ModelError(f"quality.calibration: the thresholds of {config.name} are {learned!r}, no mapping")
        values: dict[str, float] = {}
        for limit in limits:
            value, key = limit.default, ""
            if limit.score in learned:
                value, key = learned[limit.score], f"quality.calibration: {config.name}.thresholds.{limit.score}"
            if limit.score in config.options:
                value, key = config.options[limit.score], option_key(config, limit.score)
            if value is None:
                continue
            values[limit.score] = number(value, key)
        return cls(tuple(limits), values)

    @property
    def rejects_below(self) -> tuple[str, ...]:
        """Names of the scores that are rejected below their limit."""
        return tuple(limit.score for limit in self.limits if limit.is_lowest and limit.score in self.values)

    def reasons(self, scores: Mapping[str, float], **raised: float) -> tuple[str, ...]:
        """One reason for each score beyond its limit, as in "gap 1.43 s > 1.2 s".

        Args:
            scores: By name; a score that is missing is not judged
            raised: What is added to a limit for this clip, by the name of the score
        """
        found: list[str] = []
        for limit in self.limits:
            score, value = scores.get(limit.score), self.values.get(limit.score)
            if score is None or value is None:
                continue
            value += raised.get(limit.score, 0.0)
            if score < value if limit.is_lowest else score > value:
                sign = "<" if limit.is_lowest else ">"
                unit = f" {limit.unit}" if limit.unit else ""
                found.append(f"{limit.label} {score:.4g}{unit} {sign} {value:.4g}{unit}")
        return tuple(found)


def option_key(config: JudgeConfig, name: str) -> str:
    """An option as messages name it."""
    return f"quality.options.{config.name}.{name}"


def number(value: object, key: str) -> float:
    """The value as a finite number.

    Raises:
        ModelError: It is none; the message names the key
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(f"{key} is {value!r}; it must be a finite number")
    return float(value)


def check_options(config: JudgeConfig, limits: Sequence[Limit], **types: type) -> None:
    """Refuse options that are neither a limit's name (a number, or null for a check that is off) nor in `types`.

    Raises:
        ModelError: Of an unknown option, or one of another type
    """
    names = {limit.score for limit in limits}
    for name, value in config.options.items():
        key = option_key(config, name)
        if name in names:
            if value is not None:
                number(value, key)
        elif name not in types:
            raise ModelError(f"{key} is not an option of {config.name}: {did_you_mean(name, {*names, *types})}")
        elif not isinstance(value, types[name]) or isinstance(value, bool) != (types[name] is bool):
            raise ModelError(f"{key} is {value!r}; it must be of type {types[name].__name__}")


def check_device(config: JudgeConfig, *allowed: str) -> None:
    """Refuse a device that the judge does not run on.

    Raises:
        ModelError: The device is another one
    """
    if config.device not in allowed:
        raise ModelError(f'{config.name} runs on {" or ".join(allowed)}, not on "{config.device}"')


def revision(rules: str, config: JudgeConfig, *more: object) -> str:
    """The rules' version, and a digest of all that changes verdicts: options and calibration.

    Args:
        more: Other things that do, such as digests of weights
    """
    body = json.dumps(
        [plain(config.options), plain(config.calibration), *map(str, more)], sort_keys=True, ensure_ascii=True
    )
    return f"{rules}/{hashlib.sha256(body.encode()).hexdigest()[:12]}"


def plain(value: object) -> object:
    """Mappings and sequences as dictionaries and lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in cast("Sequence[object]", value)]
    return value
