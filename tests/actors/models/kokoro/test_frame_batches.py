"""Packing by frames: every row once, within the cells, alike each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.kokoro.frame_batches import frame_batches


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=60), st.integers(1, 20_000))
def test_every_row_is_in_one_batch_that_keeps_its_cells(num_frames: list[int], max_cells: int) -> None:
    batches = frame_batches(num_frames, max_cells)
    assert sorted(row for batch in batches for row in batch) == list(range(len(num_frames)))
    for batch in batches:
        longest = max(num_frames[row] for row in batch)
        assert num_frames[batch[0]] == longest
        assert len(batch) == 1 or len(batch) * longest <= max_cells


def test_what_fits_is_one_batch() -> None:
    assert frame_batches([3, 9, 4], 27) == [[1, 2, 0]]
    assert frame_batches([3, 9, 4], 26) == [[1, 2], [0]]
