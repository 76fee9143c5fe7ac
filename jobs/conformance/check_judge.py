"""One judge put to all laws, with clips that the embedded voice speaks; the findings in one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from ...actors.audio.encoding import PCM_SCALE, pcm16
from ...actors.audio.finishing import resample
from ...actors.judges.base import Hearing, JudgeConfig, JudgeInfo
from ...actors.judges.registry import describe_judge, load_judge
from ...actors.models.base import ModelConfig
from ...actors.models.probe_texts import probe_texts
from ...actors.models.registry import load
from .check_model import Finding, finding_of
from .judge_laws import JUDGE_LAWS, JudgeSubject
from .subject import Subject

NUM_CLIPS = 4


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """A judge under all laws; `body` is what `--json` prints."""

    config: JudgeConfig
    info: JudgeInfo
    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether no law is broken."""
        return all(finding.outcome != "broken" for finding in self.findings)

    @property
    def body(self) -> dict[str, Any]:
        """Plain values: the judge, each finding."""
        return {
            "judge": {"name": self.info.name, "revision": self.info.revision, "class": self.config.name},
            "device": self.config.device,
            "thresholds": dict(self.info.thresholds),
            "speechmill": version("speechmill"),
            "is_ok": self.is_ok,
            "findings": [
                {"law": f.law, "outcome": f.outcome, "detail": f.detail, "seconds": round(f.seconds, 3)}
                for f in self.findings
            ],
        }


def check_judge(
    name: str,
    *,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
    observe: Callable[[Finding], None] = lambda finding: None,
) -> JudgeReport:
    """Put a judge to all laws. The clips are English sentences, spoken by the embedded voice.

    Args:
        name: A registered name, or "module:Class".
        device: "cpu" or "cuda".
        options: As `quality.options` has them for this judge.
        observe: Is told each finding as it comes.

    Raises:
        ModelError: The judge cannot be described or loaded.
    """
    config = JudgeConfig(name, device, options or {})
    info = describe_judge(config)
    subject = JudgeSubject(config, load_judge(config), _clips(info.sample_rate))
    findings: list[Finding] = []
    for law in JUDGE_LAWS:
        findings.append(finding_of(law, subject))
        observe(findings[-1])
    return JudgeReport(config, info, tuple(findings))


@cache
def _clips(rate: int | None) -> tuple[Hearing, ...]:
    config = ModelConfig("hibari")
    voice = Subject(config, load(config), probe_texts(["en"]).sentences[:NUM_CLIPS])
    own = voice.info.sample_rate
    clips: list[Hearing] = []
    for segment in voice.segments():
        samples = pcm16(voice.model.speak([segment])[0]).astype(np.float32) / np.float32(PCM_SCALE)
        if rate is not None and rate != own:
            samples = resample(samples, own, rate)
        row = str(segment.row)
        clips.append(
            Hearing(row, segment.text, voice.info.default_voice, "en", 1.0, samples, rate or own, segment.length)
        )
    return tuple(clips)
