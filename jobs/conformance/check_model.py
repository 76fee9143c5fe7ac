"""One model put to all laws: loaded as a replica loads it, each law by itself, the findings in one report."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

from ...actors.batcher.calibration import options_text
from ...actors.device.machine import hardware, versions
from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.models.probe_texts import probe_texts
from ...actors.models.registry import describe
from ...actors.replica.loaded_model import tuned
from ...actors.replica.receipt import ReplicaConfig
from ...errors import JobError, SpecError
from .laws import LAWS
from .samples import SampleSet, speak_samples
from .subject import Broken, Skipped, Subject

REPORT = "check-model.json"
"""The report beside the samples."""

Outcome = Literal["kept", "broken", "skipped"]

Examined = TypeVar("Examined")
"""A model or a judge, as its laws know it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one law found.

    Attributes:
        law: The name of its function
        meaning: The first line of its description
        detail: What is wrong, or why it was skipped
    """

    law: str
    meaning: str
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """A model under all laws; `body` is what `--json` prints, and what lies beside the samples.

    Attributes:
        samples: What it said, where that was asked for
    """

    config: ModelConfig
    info: ModelInfo
    findings: tuple[Finding, ...]
    samples: SampleSet | None = None

    @property
    def is_ok(self) -> bool:
        """Whether no law is broken."""
        return all(finding.outcome != "broken" for finding in self.findings)

    @property
    def body(self) -> dict[str, Any]:
        """Plain values: the model, the machine, each finding."""
        info = self.info
        return {
            "model": {
                "name": info.name,
                "revision": info.revision,
                "backend": info.backend,
                "class": self.config.name,
                "languages": list(info.languages),
                "sample_rate": info.sample_rate,
                "options": options_text(self.config),
            },
            "device": self.config.device,
            "speechmill": version("speechmill"),
            "python": platform.python_version(),
            "machine": hardware(self.config.device),
            "libraries": versions("torch", "onnxruntime", "numpy"),
            "is_ok": self.is_ok,
            "findings": [
                {"law": f.law, "outcome": f.outcome, "detail": f.detail, "seconds": round(f.seconds, 3)}
                for f in self.findings
            ],
            **({} if self.samples is None else self.samples.body),
        }


def check_model(
    name: str,
    *,
    weights: str | None = None,
    device: str = "cpu",
    voice: str = "",
    options: Mapping[str, object] | None = None,
    texts: tuple[str, ...] | None = None,
    out: Path | None = None,
    recogniser: str | None = None,
    observe: Callable[[Finding], None] = lambda finding: None,
) -> ConformanceReport:
    """Put a model to all laws.

    Args:
        name: A registered name, or "module:Class".
        weights: Folder or file of its weights, as `model.path`.
        device: "cpu" or "cuda".
        voice: The default voice.
        options: As `model.options`.
        texts: At least two that the model can speak; by default ten sentences of the first language that it names.
        out: A folder for the texts as audio files, what a recogniser hears in them, and the report as one JSON file.
        recogniser: A folder of a faster-whisper model, in place of the installed one.
        observe: Is told each finding as it comes.

    Raises:
        ModelError: The model cannot be described or loaded.
        SpecError: Fewer than two texts, or a folder that cannot be written.
    """
    if texts is not None and len(texts) < 2:
        raise SpecError("a model is checked with two texts or more; give --text twice")
    config = ModelConfig(name, device, voice=voice, path=weights, options=options or {})
    info = describe(config)
    probes = probe_texts(info.languages)
    subject = Subject(config, tuned(ReplicaConfig(config)).model, texts or probes.sentences)
    findings: list[Finding] = []
    for law in LAWS:
        findings.append(finding_of(law, subject))
        observe(findings[-1])
    if out is None:
        return ConformanceReport(config, info, tuple(findings))
    samples = speak_samples(subject, probes.language, out, recogniser)
    report = ConformanceReport(config, info, tuple(findings), samples)
    (out / REPORT).write_text(json.dumps(report.body, indent=1, ensure_ascii=False), encoding="utf-8")
    return report


def finding_of(law: Callable[[Examined], None], subject: Examined) -> Finding:
    """What a law finds, and how long that takes."""
    began_s = time.perf_counter()
    outcome, detail = _outcome(law, subject)
    meaning = (law.__doc__ or law.__name__).splitlines()[0]
    return Finding(law.__name__, meaning, outcome, detail, time.perf_counter() - began_s)


def _outcome(law: Callable[[Examined], None], subject: Examined) -> tuple[Outcome, str]:
    try:
        law(subject)
    except Broken as broken:
        return "broken", str(broken)
    except Skipped as skipped:
        return "skipped", str(skipped)
    except JobError as error:
        return "broken", str(error)
    except Exception as error:  # a model or judge may raise anything
        return "broken", f"{type(error).__name__}: {error}"
    return "kept", ""
