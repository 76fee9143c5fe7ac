"""The judges of a judging, described and checked before anything is heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from ...actors.gate.config import GateConfig
from ...actors.judges.base import JudgeConfig
from ...actors.judges.registry import describe_judge
from ...cluster.storage import S3Options
from ...errors import SpecError, did_you_mean
from ..resolve.calibration import read_calibration
from .audio_corpus import AudioCorpusOptions

DEFAULT_JUDGES = ("signal", "duration")


@dataclass(frozen=True, slots=True)
class JudgingOptions:
    """Who judges, see `judge`."""

    judges: tuple[str, ...] = DEFAULT_JUDGES
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    calibration: str | None = None
    share: float = 1.0
    device: str = "cpu"


def gate_of(how: JudgingOptions, s3: S3Options | None = None) -> GateConfig:
    """The judges, as a gate asks them.

    Raises:
        SpecError: An option is wrong, or is for no judge that is asked
        ModelError: A judge, its weights or its options are wrong
    """
    if not how.judges or len(set(how.judges)) < len(how.judges):
        raise SpecError("--judges must name one judge or more, each once")
    if strange := sorted(how.options.keys() - set(how.judges)):
        raise SpecError(f"options of {strange[0]!r:.80}, which is not asked: {did_you_mean(strange[0], how.judges)}")
    if not 0 < how.share <= 1:
        raise SpecError(f"--share is {how.share}; it has to be above 0 and at most 1")
    learned = read_calibration(how.calibration, s3, "--calibration") if how.calibration else {}
    configs = tuple(
        JudgeConfig(
            name, _device(name, how), how.options.get(name, {}), cast("Mapping[str, object]", learned.get(name, {}))
        )
        for name in how.judges
    )
    return GateConfig(configs, tuple(map(describe_judge, configs)), share=how.share)


def _device(name: str, how: JudgingOptions) -> str:
    """The cheap judges of speechmill's own know one device only."""
    return "cpu" if name in DEFAULT_JUDGES else how.device


def _whole(uri: str) -> str:
    """A local path from the root on, so that the same command from another folder goes on with the same corpus."""
    return uri if "://" in uri else str(Path(uri).expanduser().absolute())


def identity_of(options: AudioCorpusOptions, how: JudgingOptions, gate: GateConfig) -> dict[str, Any]:
    """All that decides what is said of a clip, but for the clips."""
    return {
        "corpus": {name: value for name, value in asdict(options).items() if name != "s3"}
        | {"uri": _whole(options.uri)},
        "share": how.share,
        "judges": [
            {"name": config.name, "revision": info.revision, "thresholds": dict(info.thresholds)}
            for config, info in zip(gate.judges, gate.infos, strict=True)
        ],
    }
