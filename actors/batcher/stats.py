"""What became of batches, summed up: predicted against actual. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .fit import BatchShape


@dataclass(frozen=True, slots=True)
class BatchStats:
    """Batches that were spoken, and how they were predicted.

    Attributes:
        num_batches, num_rows: Batches and the segments in them; 0 for a model that speaks step by step, without batches
        cells_filled, _total: Cells that held a token, and all of them; step by step: slots that held a row, and all
        synthesis_s: Seconds of `Model.speak`; `predicted_s` what the profile said they would be
        num_out_of_memory: Batches that did not fit
        num_splits: Batches that were cut in two because something else in them failed
        peak_bytes: The most that was held at any moment, model included; 0 if it was not measured
        predicted_bytes: The most that was predicted for any batch, model and margin included
        bound_bytes: What `vram_utilization` allows; 0 if the memory was not measured
    """

    num_batches: int = 0
    num_rows: int = 0
    cells_filled: int = 0
    cells_total: int = 0
    synthesis_s: float = 0.0
    predicted_s: float = 0.0
    num_out_of_memory: int = 0
    num_splits: int = 0
    peak_bytes: int = 0
    predicted_bytes: int = 0
    bound_bytes: int = 0

    def __add__(self, other: BatchStats) -> BatchStats:
        """Counts and seconds add up; of bytes, the largest counts."""
        return BatchStats(
            self.num_batches + other.num_batches,
            self.num_rows + other.num_rows,
            self.cells_filled + other.cells_filled,
            self.cells_total + other.cells_total,
            self.synthesis_s + other.synthesis_s,
            self.predicted_s + other.predicted_s,
            self.num_out_of_memory + other.num_out_of_memory,
            self.num_splits + other.num_splits,
            max(self.peak_bytes, other.peak_bytes),
            max(self.predicted_bytes, other.predicted_bytes),
            max(self.bound_bytes, other.bound_bytes),
        )

    @property
    def fill(self) -> float | None:
        """Cells that held a token / all cells; None before the first batch."""
        return self.cells_filled / self.cells_total if self.cells_total else None

    @property
    def rows_per_batch(self) -> float:
        """The mean number of rows in a batch; 0 before the first."""
        return self.num_rows / self.num_batches if self.num_batches else 0.0


NO_BATCHES = BatchStats()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the profile says of one batch: seconds, and bytes held at its peak, with what is at rest and the margin."""

    shape: BatchShape
    seconds: float
    peak_bytes: int
