"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ...actors.batcher.stats import NO_BATCHES, BatchStats
from ...actors.gate.stats import NO_GATE, GateStats
from ...actors.records.verdicts import NO_VERDICTS, VerdictCounts
from ..output.complete import Complete
from ..spec.job import JobSpec
from .exit_status import ExitStatus


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of one run.

    Attributes:
        new_rows: Rows spoken, refined or failed in this run
        new_audio_s: Seconds of audio made in this run
        speaking_s: Seconds from the first shard to the last
        gate: What the judges said in this run
    """

    new_rows: int = 0
    new_audio_s: float = 0.0
    speaking_s: float = 0.0
    batches: BatchStats = NO_BATCHES
    num_replicas: int = 0
    num_deaths: int = 0
    gate: GateStats = NO_GATE


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended.

    Attributes:
        task: "speak", or "refine", which makes no audio
        num_rows, num_ok, num_failed, audio_s: Figures of the whole output, earlier runs included
        new_rows, new_audio_s, speaking_s: Figures of this run, see `RunFigures`
        batches: The batches of this run: fill, predicted and actual seconds and bytes
        is_allowed: Whether the failed rows are within the job's allowance
        num_unspoken: Rows that are ok and leave out some of their text
        verdicts: Rows that did not simply pass the job's judges, earlier runs included
        gate: What the judges said in this run
    """

    output: str
    task: str
    num_rows: int
    num_ok: int
    num_failed: int
    audio_s: float
    new_rows: int
    new_audio_s: float
    speaking_s: float
    batches: BatchStats
    num_replicas: int
    num_deaths: int
    is_allowed: bool
    num_unspoken: int = 0
    verdicts: VerdictCounts = NO_VERDICTS
    gate: GateStats = NO_GATE

    @classmethod
    def of(cls, spec: JobSpec, complete: Complete, figures: RunFigures) -> Self:
        """The result of a run, made of the counts of the complete job and the figures of the run."""
        return cls(
            output=spec.output.uri,
            task=spec.task,
            num_rows=complete.num_rows,
            num_ok=complete.num_ok,
            num_failed=complete.num_failed,
            audio_s=complete.audio_s,
            new_rows=figures.new_rows,
            new_audio_s=figures.new_audio_s,
            speaking_s=figures.speaking_s,
            batches=figures.batches,
            num_replicas=figures.num_replicas,
            num_deaths=figures.num_deaths,
            is_allowed=spec.failure.allows(complete.num_failed, complete.num_rows),
            num_unspoken=complete.num_unspoken,
            verdicts=complete.verdicts,
            gate=figures.gate,
        )

    @property
    def rtfx(self) -> float:
        """Seconds of audio per second of speaking, in this run."""
        return self.new_audio_s / self.speaking_s if self.speaking_s > 0 else 0.0

    @property
    def rows_per_s(self) -> float:
        """Rows per second of speaking, in this run."""
        return self.new_rows / self.speaking_s if self.speaking_s > 0 else 0.0

    @property
    def batch_fill(self) -> float | None:
        """Cells that held a token / all cells, in this run; None if nothing was spoken."""
        return self.batches.fill

    @property
    def exit_code(self) -> int:
        return ExitStatus.well(self.is_allowed)
