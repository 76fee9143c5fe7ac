"""The shape of a padded batch. Pure, and without NumPy: records that travel hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class BatchShape:
    """A padded batch: its rows, and the length of its longest row, as its model counts it."""

    rows: int
    longest: int

    @property
    def cells(self) -> int:
        """Rows times longest: the size of the batch, padding included."""
        return self.rows * self.longest
