"""Sums over batches: predicted and actual costs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .batch_shape import BatchShape


@dataclass(frozen=True, slots=True)
class BatchStats:
    """Counts and costs of spoken batches, and their predicted costs.

    Attributes:
        num_batches, num_rows: Batches and the segments in them; 0 for a model that speaks step by step, without batches
        cells_filled, cells_total: Cells that held a token, and all cells; of a model that speaks step by step, slots
            that held a row, and all slots, summed over steps
        synthesis_s: Seconds of `Model.speak`
        predicted_s: Seconds that the profile predicted for them
        num_out_of_memory: Batches that did not fit
        num_splits: Batches that were cut in two after another error
        peak_bytes: The most memory at any moment, model included; 0 if it was not measured
        predicted_bytes: The most memory predicted for any batch, model and margin included
        bound_bytes: The limit by `vram_utilization`; 0 if the memory was not measured
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
        """The sums of counts and seconds, and the larger ones of the bytes."""
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
    """The prediction for one batch: seconds, and bytes at its peak, memory at rest and margin included."""

    shape: BatchShape
    seconds: float
    peak_bytes: int
