"""Calls to a model that speaks batch by batch, and what each says of time and memory. The caller handles rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import BatchOutOfMemory, JobError
from ..batcher.batch_shape import BatchShape
from ..batcher.packing import num_cells
from ..batcher.stats import BatchStats
from ..records.utterance import Segment
from .loaded_model import LoadedModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Batchwise:
    """A model that speaks batch by batch; its tuner is told of each."""

    voice: LoadedModel

    def watch(self, batch: Sequence[Segment]) -> None:
        """Begin to measure the memory that a batch takes.

        Raises:
            BatchOutOfMemory: A segment that is alone in its batch cannot fit, where to try it would end the process
        """
        memory = self.voice.memory
        if memory is not None and not memory.is_main:
            memory.watch()
        elif memory is not None and len(batch) == 1 and not self.voice.tuner.can_ever_fit(_shape(batch)):
            # Main memory raises no error: the system would end the process.
            raise BatchOutOfMemory("it is not tried where memory has no other bound")

    def speak(self, batch: Sequence[Segment]) -> tuple[Sequence[NDArray[np.float32]], BatchStats]:
        """The waveforms of a batch that is watched, float32 [num_samples] each, and its counts.

        Errors of the model pass.

        Raises:
            JobError: The model gave another number of waveforms
        """
        model, tuner, memory = self.voice.model, self.voice.tuner, self.voice.memory
        filled, total = num_cells(batch)
        shape = _shape(batch)
        predicted = tuner.predict(shape)
        with self.voice.turns.rows():
            began = time.perf_counter()
            waves = model.speak(batch)
            seconds = time.perf_counter() - began
        if len(waves) != len(batch):
            raise JobError(f"model {model.info.name} gave {len(waves)} clips for {len(batch)} segments")
        peak = memory.peak() if memory is not None else 0
        if memory is not None and memory.is_main:
            tuner.spoke(shape, seconds)
            tuner.held(shape, peak)
        else:
            tuner.spoke(shape, seconds, peak - tuner.resident_bytes if memory is not None else None)
        return waves, BatchStats(
            num_batches=1,
            num_rows=len(batch),
            cells_filled=filled,
            cells_total=total,
            synthesis_s=seconds,
            predicted_s=predicted.seconds,
            peak_bytes=peak,
            predicted_bytes=predicted.peak_bytes,
        )

    def repeat(self, segment: Segment) -> None:
        """Speak a segment again; errors of the model pass."""
        with self.voice.turns.rows():
            self.voice.model.speak([segment])


def _shape(batch: Sequence[Segment]) -> BatchShape:
    return BatchShape(len(batch), num_cells(batch)[1] // len(batch))
