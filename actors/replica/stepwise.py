"""Calls to a model that speaks step by step: samples of each segment, or its refined text. The caller handles rows."""

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
        """The model with its task; None for a model that speaks batch by batch.

        Raises:
            ModelError: The task is to refine, and the model speaks batch by batch
        """
        if isinstance(model, AutoregressiveModel):
            return cls(model, task)
        if task == "refine":
            raise ModelError(f"model {model.info.name} cannot refine text: that takes an AutoregressiveModel")
        return None

    @property
    def usage(self) -> SlotUsage:
        """The use of the slots so far."""
        return self.model.usage()

    def outcomes(self, segments: Sequence[Segment]) -> Generator[tuple[Segment, Any]]:
        """Each segment once, in any order, with float32 [num_samples], a refined text, or a RowError with the reason.

        Errors of the model pass.
        """
        yield from self._refined(segments) if self.task == "refine" else self.model.speak_rows(segments)

    def repeat(self, segment: Segment) -> None:
        """Speak or refine a segment again. Raises its RowError; errors of the model pass."""
        for _, outcome in self.outcomes([segment]):
            if isinstance(outcome, RowError):
                raise outcome

    def _refined(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, str | RowError]]:
        """Refined texts. A text in which the model finds nothing to speak becomes a RowRejected."""
        for segment, outcome in self.model.refine_rows(segments):
            if isinstance(outcome, str) and not (outcome.strip() and self.model.prepare(outcome, segment.voice).tokens):
                yield segment, RowRejected("refining left no words")
            else:
                yield segment, outcome
