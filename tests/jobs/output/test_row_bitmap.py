"""The bitmap behaves as a set of rows does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.jobs.output.row_bitmap import BLOCK_ROWS, RowBitmap

near_edges = (
    st.integers(0, 40) | st.integers(BLOCK_ROWS - 3, BLOCK_ROWS + 3) | st.integers(3 * BLOCK_ROWS, 3 * BLOCK_ROWS + 5)
)


@settings(deadline=None)
@given(st.lists(near_edges, max_size=60), near_edges)
def test_it_is_a_set_with_gaps(rows: list[int], num_rows: int) -> None:
    bitmap = RowBitmap()
    seen: set[int] = set()
    for row in rows:
        assert bitmap.add(row) == (row not in seen)
        seen.add(row)
    assert len(bitmap) == len(seen)
    assert bitmap.end == max(seen, default=-1) + 1
    assert all(row in bitmap for row in seen)
    gaps = list(bitmap.missing(num_rows))
    missing = {row for first, last in gaps for row in range(first, last + 1)}
    assert missing == set(range(num_rows)) - seen
    assert all(before[1] + 1 < after[0] for before, after in pairwise(gaps))


def test_a_row_number_of_someone_s_invention_costs_nothing() -> None:
    bitmap = RowBitmap()
    assert bitmap.add(2**62)
    assert list(bitmap.missing(2**62 + 2)) == [(0, 2**62 - 1), (2**62 + 1, 2**62 + 1)]
