"""Laws of packing: nothing lost, nothing over the limit, similar lengths together."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher import num_cells, pack, pack_segments
from speechmill.actors.models.base import BatchLimit
from speechmill.actors.segment import Segment

lengths_of = st.lists(st.integers(1, 400), max_size=200)
limits = st.builds(BatchLimit, max_rows=st.integers(1, 40), max_cells=st.integers(1, 5_000))


def segment(row: int, length: int, voice: str = "heart") -> Segment:
    return Segment(row, 0, "x" * length, tuple(range(length)), seed=row, voice=voice, speed=1.0)


@given(lengths_of, limits)
def test_every_index_is_in_exactly_one_batch(lengths: list[int], limit: BatchLimit) -> None:
    packed = [index for batch in pack(lengths, limit) for index in batch]
    assert sorted(packed) == list(range(len(lengths)))


@given(lengths_of, limits)
def test_no_batch_is_over_the_limit_unless_it_is_one_row(lengths: list[int], limit: BatchLimit) -> None:
    for batch in pack(lengths, limit):
        assert len(batch) <= limit.max_rows
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= limit.max_cells


@given(lengths_of, limits)
def test_batches_do_not_overlap_in_length(lengths: list[int], limit: BatchLimit) -> None:
    batches = pack(lengths, limit)
    for longer, shorter in pairwise(batches):
        assert min(lengths[i] for i in longer) >= max(lengths[i] for i in shorter)


@given(lengths_of, limits)
def test_a_batch_ends_only_where_the_next_row_does_not_fit(lengths: list[int], limit: BatchLimit) -> None:
    for batch in pack(lengths, limit)[:-1]:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == limit.max_rows or (len(batch) + 1) * longest > limit.max_cells


def test_nothing_packs_into_nothing() -> None:
    assert pack([], BatchLimit(4, 100)) == []


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from("abc")), max_size=60), limits)
def test_a_batch_has_one_voice(rows: list[tuple[int, str]], limit: BatchLimit) -> None:
    segments = [segment(row, length, voice) for row, (length, voice) in enumerate(rows)]
    batches = pack_segments(segments, limit)
    assert all(len({s.voice for s in batch}) == 1 for batch in batches)
    assert sorted(s.row for batch in batches for s in batch) == list(range(len(segments)))


def test_cells_count_padding() -> None:
    assert num_cells([segment(0, 10), segment(1, 5), segment(2, 3)]) == (18, 30)
    assert num_cells([]) == (0, 0)
