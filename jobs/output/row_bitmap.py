"""A set of row numbers, one bit each, in blocks that are made when a row in them is added.

Guaranteed: memory is bounded by the number of rows added, whatever their numbers: an eighth of a byte for each of a
dense range, and a block of 8 KiB for a row alone.
"""

from __future__ import annotations

from collections.abc import Iterator

BLOCK_ROWS = 1 << 16


class RowBitmap:
    """A set of row numbers."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._count = 0
        self._end = 0

    def __len__(self) -> int:
        return self._count

    @property
    def end(self) -> int:
        """One more than the largest row, 0 while there is none."""
        return self._end

    def __contains__(self, row: int) -> bool:
        block = self._blocks.get(row // BLOCK_ROWS)
        return block is not None and bool(block[row % BLOCK_ROWS // 8] & 1 << row % 8)

    def add(self, row: int) -> bool:
        """Add a row; False if it was there already."""
        if row in self:
            return False
        block = self._blocks.setdefault(row // BLOCK_ROWS, bytearray(BLOCK_ROWS // 8))
        block[row % BLOCK_ROWS // 8] |= 1 << row % 8
        self._count += 1
        self._end = max(self._end, row + 1)
        return True

    def missing(self, num_rows: int) -> Iterator[tuple[int, int]]:
        """The gaps in 0 … num_rows - 1, as first and last row, in order and as long as they can be."""
        first: int | None = None
        row = 0
        while row < num_rows:
            block = self._blocks.get(row // BLOCK_ROWS)
            if block is None:
                first = row if first is None else first
                row = self._next_block(row, num_rows)
                continue
            if row % 8 == 0 and block[row % BLOCK_ROWS // 8] == (0xFF if first is None else 0):
                row += 8  # all eight are in the same state as the rows before them
                continue
            if row in self:
                if first is not None:
                    yield first, row - 1
                first = None
            elif first is None:
                first = row
            row += 1
        if first is not None:
            yield first, num_rows - 1

    def _next_block(self, row: int, num_rows: int) -> int:
        """The first row of the next block, so that a huge gap is not counted row by row."""
        later = (block for block in self._blocks if block > row // BLOCK_ROWS)
        return min(min(later, default=num_rows) * BLOCK_ROWS, num_rows)
