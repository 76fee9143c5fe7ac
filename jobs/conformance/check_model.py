"""One model put to all laws: loaded as a replica loads it, each law by itself, the findings in one report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from ...actors.models.base import ModelConfig, ModelInfo
from ...actors.models.probe_texts import probe_texts
from ...actors.models.registry import describe
from ...actors.replica.loaded_model import tuned
from ...actors.replica.receipt import ReplicaConfig
from ...errors import JobError, SpecError
from .laws import LAWS, Broken, Skipped, Subject

Outcome = Literal["kept", "broken", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one law found.

    law       the name of its function
    meaning   the first line of its description
    detail    what is wrong, or why it was skipped
    """

    law: str
    meaning: str
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """A model under all laws; `body` is what `--json` prints."""

    config: ModelConfig
    info: ModelInfo
    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether no law is broken."""
        return all(finding.outcome != "broken" for finding in self.findings)

    @property
    def body(self) -> dict[str, Any]:
        """Plain values: the model, the machine, each finding."""
        info = self.info
        return {
            "model": {"name": info.name, "revision": info.revision, "backend": info.backend, "class": self.config.name},
            "device": self.config.device,
            "speechmill": version("speechmill"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "is_ok": self.is_ok,
            "findings": [
                {"law": f.law, "outcome": f.outcome, "detail": f.detail, "seconds": round(f.seconds, 3)}
                for f in self.findings
            ],
        }


def check_model(
    name: str,
    *,
    weights: str | None = None,
    device: str = "cpu",
    voice: str = "",
    options: Mapping[str, object] | None = None,
    texts: tuple[str, ...] | None = None,
    observe: Callable[[Finding], None] = lambda finding: None,
) -> ConformanceReport:
    """Put a model to all laws.

    name      a registered name, or "module:Class"
    weights   folder or file of its weights, as `model.path`
    texts     at least two that the model can speak; by default ten sentences of the first language that it names
    observe   is told each finding as it comes
    Raises ModelError for a model that cannot be described or loaded, SpecError for fewer than two texts.
    """
    if texts is not None and len(texts) < 2:
        raise SpecError("a model is checked with two texts or more; give --text twice")
    config = ModelConfig(name, device, voice=voice, path=weights, options=options or {})
    info = describe(config)
    texts = texts or probe_texts(info.languages).sentences
    subject = Subject(config, tuned(ReplicaConfig(config)).model, texts)
    findings: list[Finding] = []
    for law in LAWS:
        findings.append(_finding(law, subject))
        observe(findings[-1])
    return ConformanceReport(config, info, tuple(findings))


def _finding(law: Callable[[Subject], None], subject: Subject) -> Finding:
    began_s = time.perf_counter()
    outcome, detail = _outcome(law, subject)
    meaning = (law.__doc__ or law.__name__).splitlines()[0]
    return Finding(law.__name__, meaning, outcome, detail, time.perf_counter() - began_s)


def _outcome(law: Callable[[Subject], None], subject: Subject) -> tuple[Outcome, str]:
    try:
        law(subject)
    except Broken as broken:
        return "broken", str(broken)
    except Skipped as skipped:
        return "skipped", str(skipped)
    except JobError as error:
        return "broken", str(error)
    except Exception as error:  # a model may raise anything
        return "broken", f"{type(error).__name__}: {error}"
    return "kept", ""
