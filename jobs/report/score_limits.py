"""The limits beyond which a job's judges reject, as its identity holds them, and which end of a score is bad. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

KEY = "quality.judges (their revisions)"


@dataclass(frozen=True, slots=True)
class ScoreLimit:
    """A judge rejects clips whose score is above this value, or below it where `is_lower`."""

    value: float
    is_lower: bool = False


def score_limits(identity: Mapping[str, Any]) -> dict[str, ScoreLimit]:
    """By name of the score, as in "signal.gap_s"; empty for a job without judges, or with an entry of another form."""
    found: dict[str, ScoreLimit] = {}
    judges = identity.get(KEY)
    for judge in cast("list[Any]", judges) if isinstance(judges, list) else []:
        known = cast("dict[str, Any]", judge) if isinstance(judge, dict) else {}
        thresholds, below = known.get("thresholds"), known.get("rejects_below")
        if not isinstance(thresholds, dict):
            continue
        lower = cast("list[str]", below) if isinstance(below, list) else []
        for name, value in cast("dict[str, Any]", thresholds).items():
            if isinstance(value, int | float):
                found[f"{known.get('scores')}.{name}"] = ScoreLimit(float(value), name in lower)
    return found
