"""The judges that a job names, described and checked against its model, before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from ...actors.gate.cascade import knows
from ...actors.gate.config import GateConfig, GatePlace, is_dear
from ...actors.gate.gate import language_of
from ...actors.judges.base import JudgeConfig
from ...actors.judges.registry import describe_judge
from ...actors.models.base import ModelInfo
from ...cluster.session import Resources
from ...errors import ModelError, SpecError
from ..spec.job import JobSpec, QualitySpec
from .calibration import read_calibration

ATTEMPTS = 3
"""Of a row, where the job says `auto` and another attempt may sound better."""


@dataclass(frozen=True, slots=True)
class ResolvedGate:
    """The gate of a job.

    Attributes:
        keys: Settings that decide which clips are stored: a part of the job's identity
    """

    config: GateConfig
    keys: dict[str, Any]

    @property
    def key(self) -> str:
        """Of a gate that rejects the same clips: 16 hexadecimal digits."""
        return _digest(self.keys)

    @property
    def cost_s(self) -> float:
        """Estimated CPU seconds of all judges per second of audio."""
        config = self.config
        return sum(known.cost_s * (config.share if is_dear(known) else 1.0) for known in config.infos)


def beside_judges(spec: JobSpec, resources: Resources) -> tuple[Resources, float]:
    """What the cluster has for replicas, beside the judges' actors on one node, and the share of a GPU that is left.

    Raises:
        SpecError: A replica leaves no room for them on its GPU
    """
    place, per_replica = spec.quality.place, spec.cluster.gpus_per_replica
    if not spec.quality.judges or place.where != "actors":
        return resources, 1.0
    # As exact as Ray counts: 1 - 3 * 0.2 would be a little less than 0.4.
    room = round(1.0 - place.gpus * place.actors, 4) if resources.gpus else 1.0
    if room <= 0 and per_replica == "auto":
        raise SpecError(
            f"quality.place: {place.actors} actors of {place.gpus:g} GPU leave no room on a GPU; use gpus: 0"
        )
    if per_replica != "auto" and resources.gpus and place.gpus and per_replica > room:
        raise SpecError(
            f"quality.place: {place.actors} actors of {place.gpus:g} GPU have no room on a GPU beside a replica of "
            f"{per_replica:g}; use cluster.gpus_per_replica: {max(room, 0.1):g}, or gpus: 0"
        )
    return replace(resources, cpus=max(0.0, resources.cpus - place.cpus * place.actors)), room


def resolve_gate(spec: JobSpec, info: ModelInfo, device: str) -> ResolvedGate | None:
    """The gate of a job; None for a job without judges.

    Args:
        device: "cpu" or "cuda", of the replicas

    Raises:
        ModelError: A judge, its weights or its options are wrong
        SpecError: The judges do not fit the model; the message names the key
    """
    quality = spec.quality
    if not quality.judges:
        return None
    calibration = (
        read_calibration(quality.calibration, spec.input.s3.options(), "quality.calibration")
        if quality.calibration
        else {}
    )
    where = quality.place
    has_gpu = device == "cuda" and (where.where == "replica" or where.gpus > 0)
    judges = tuple(_placed(name, quality, calibration, has_gpu=has_gpu) for name in quality.judges)
    infos = tuple(map(describe_judge, judges))
    if len({known.name for known in infos}) < len(infos):
        raise SpecError(f"quality.judges: two of {', '.join(known.name for known in infos)} have one name")
    for name, known in zip(quality.judges, infos, strict=True):
        language = language_of(info, info.default_voice)
        spoken = (language,) if language else info.languages
        if not any(knows(known, one) for one in spoken):
            raise SpecError(
                f"quality.judges: {name} knows {', '.join(known.languages)}, and {info.name} speaks "
                f"{', '.join(spoken)} here; leave it out, or give it weights that know the language"
            )
    return ResolvedGate(
        GateConfig(
            judges,
            infos,
            attempts=_attempts(spec, info),
            keeps_rejected=quality.on_reject == "keep",
            keeps_unheard=quality.on_unheard == "keep",
            share=quality.share,
            place=GatePlace(where.where, where.cpus, where.gpus, where.actors, where.timeout_s),
        ),
        {
            "quality.judges (their revisions)": [
                {
                    "name": name,
                    "revision": known.revision,
                    "scores": known.name,
                    "thresholds": dict(known.thresholds),
                    "rejects_below": sorted(known.rejects_below),
                }
                for name, known in zip(quality.judges, infos, strict=True)
            ],
            "quality.options": _plain(quality.options),
            "quality.attempts (at most)": _attempts(spec, info),
            "quality.on_reject": quality.on_reject,
            "quality.on_unheard": quality.on_unheard,
            "quality.share": quality.share,
            "quality.calibration (its content)": _digest(calibration) if calibration else None,
        },
    )


def _placed(name: str, quality: QualitySpec, calibration: dict[str, object], *, has_gpu: bool) -> JudgeConfig:
    """A judge on its device: a dear one on the GPU, where it has one and knows how to use it."""
    options, learned = quality.options.get(name, {}), cast("dict[str, object]", calibration.get(name, {}))
    config = JudgeConfig(name, "cpu", options, learned)
    if has_gpu and is_dear(describe_judge(config)):
        with suppress(ModelError):
            describe_judge(replace(config, device="cuda"))
            return replace(config, device="cuda")
    return config


def _attempts(spec: JobSpec, info: ModelInfo) -> int:
    wanted = spec.quality.attempts
    if wanted == "auto":
        return ATTEMPTS if info.varies else 1
    if wanted > 1 and not info.varies:
        raise SpecError(
            f"quality.attempts is {wanted}, and another attempt of {info.name} has the same words, length and melody: "
            "it would be rejected again. Use attempts: 1, and change the text of "
            "rows that fail"
        )
    return wanted


def _plain(options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Options as JSON has them.

    Raises:
        SpecError: JSON cannot hold an option
    """
    try:
        return json.loads(json.dumps(options, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"quality.options: {error}; use text, numbers, true, false, lists and maps") from error


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
