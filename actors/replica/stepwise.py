"""What is asked of a model that takes rows as they come and go: samples of each segment, or its text as it is spoken.

Knows neither rows nor parts; what becomes of an outcome is the attempt's business.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ModelError, RowError, RowRejected
from ..models.base import AutoregressiveModel, Model, SlotUsage
from ..records.utterance import Segment


@dataclass(frozen=True, slots=True)
class Stepwise:
    """A model that speaks step by step, and its task."""

    model: AutoregressiveModel
    task: str

    @classmethod
    def of(cls, model: Model, task: str) -> Stepwise | None:
        """None for a model that speaks batch by batch.

        Raises:
            ModelError: If such a one is to refine
        """
        if isinstance(model, AutoregressiveModel):
            return cls(model, task)
        if task == "refine":
            raise ModelError(f"model {model.info.name} cannot refine text: that takes an AutoregressiveModel")
        return None

    @property
    def usage(self) -> SlotUsage:
        """How the slots were used so far."""
        return self.model.usage()

    def outcomes(self, segments: Sequence[Segment]) -> Generator[tuple[Segment, Any]]:
        """Each segment once, in any order: float32 [num_samples] or a refined text, or the RowError that says why not.

        Raises whatever the model does.
        """
        yield from self._refined(segments) if self.task == "refine" else self.model.speak_rows(segments)

    def repeat(self, segment: Segment) -> None:
        """A segment that was done before, once more. Raises its RowError, and whatever the model does."""
        for _, outcome in self.outcomes([segment]):
            if isinstance(outcome, RowError):
                raise outcome

    def _refined(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, str | RowError]]:
        """A text in which the model itself would find nothing to speak is none."""
        for segment, outcome in self.model.refine_rows(segments):
            if isinstance(outcome, str) and not (outcome.strip() and self.model.prepare(outcome, segment.voice).tokens):
                yield segment, RowRejected("refining left no words")
            else:
                yield segment, outcome
