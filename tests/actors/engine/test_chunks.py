"""Chunks of a row that grows: coverage, bounds, and nothing held back for longer than the look-ahead asks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.engine.chunks import Chunk, Chunker, ChunkPolicy

policies = st.builds(
    lambda more, **numbers: ChunkPolicy(most=numbers["first"] + more, **numbers),
    st.integers(0, 20),
    first=st.integers(1, 12),
    growth=st.floats(1, 3),
    ahead=st.integers(0, 12),
    context=st.integers(0, 20),
)
arrivals = st.lists(st.integers(0, 30), max_size=12)
"""Steps that come at a time."""


def run(chunker: Chunker, coming: list[int], *, is_told_late: bool = False) -> Iterator[tuple[int, Chunk | None]]:
    """Every answer, and how many steps there were; the end is told with the last steps, or after them."""
    steps = 0
    for number, count in enumerate(coming):
        steps += count
        is_complete = number + 1 == len(coming) and not is_told_late
        while (chunk := chunker.next(steps, is_complete=is_complete)) is not None:
            yield steps, chunk
        yield steps, None
    while (chunk := chunker.next(steps, is_complete=True)) is not None:
        yield steps, chunk


def chunks_of(policy: ChunkPolicy, coming: list[int], *, is_told_late: bool = False) -> list[Chunk]:
    return [chunk for _, chunk in run(Chunker(policy), coming, is_told_late=is_told_late) if chunk is not None]


@given(policies, arrivals, st.booleans())
def test_chunks_cover_the_steps_once_and_in_order_and_one_is_the_last(
    policy: ChunkPolicy, coming: list[int], is_told_late: bool
) -> None:
    chunks = chunks_of(policy, coming, is_told_late=is_told_late)
    covered = [step for chunk in chunks for step in range(chunk.start, chunk.end)]
    assert covered == list(range(sum(coming)))
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert not any(chunk.is_empty for chunk in chunks[:-1])


@given(policies, arrivals, st.booleans())
def test_a_window_is_context_chunk_and_look_ahead(policy: ChunkPolicy, coming: list[int], is_told_late: bool) -> None:
    """As many as asked for, unless the row begins or ends before: then those that there are."""
    chunker = Chunker(policy)
    size = float(policy.first)
    for steps, chunk in run(chunker, coming, is_told_late=is_told_late):
        if chunk is None:
            continue
        assert chunk.window_end <= steps
        assert chunk.num_window_steps <= policy.context + int(size) + policy.ahead
        if not chunk.is_empty:
            assert chunk.window_start == max(0, chunk.start - policy.context)
        if not chunk.is_last:
            assert chunk.end - chunk.start == int(size) <= policy.most
            assert chunk.window_end == chunk.end + policy.ahead
        else:
            assert chunk.window_end == chunk.end
        assert chunker.steps_kept == max(0, chunk.end - policy.context)
        size = min(policy.most, size * policy.growth)


@given(policies, arrivals)
def test_a_chunk_leaves_as_soon_as_its_look_ahead_is_there(policy: ChunkPolicy, coming: list[int]) -> None:
    chunker = Chunker(policy)
    done, size = 0, float(policy.first)
    for steps, chunk in run(chunker, coming, is_told_late=True):
        if chunk is None:
            assert steps < done + int(size) + policy.ahead
        else:
            done, size = chunk.end, min(policy.most, size * policy.growth)


@given(policies, arrivals, st.booleans(), st.booleans())
def test_where_chunks_end_does_not_depend_on_when_steps_come(
    policy: ChunkPolicy, coming: list[int], is_told_late: bool, is_stepwise: bool
) -> None:
    """But for a row that ends where a chunk does: told late, its end is a chunk of its own."""
    other = [1] * sum(coming) if is_stepwise else [sum(coming)]
    first, second = (
        chunks_of(policy, given, is_told_late=is_late) for given, is_late in ((coming, is_told_late), (other, False))
    )
    common = min(len(first), len(second)) - 1
    assert first[:common] == second[:common]
    assert abs(len(first) - len(second)) <= 1


@given(policies, st.integers(1, 60))
def test_a_row_that_ends_unannounced_at_a_chunks_end_has_an_empty_last_chunk(policy: ChunkPolicy, steps: int) -> None:
    """Only without look-ahead: with it, steps are left whenever a chunk leaves."""
    chunks = chunks_of(policy, [1] * steps, is_told_late=True)
    ends_there = policy.ahead == 0 and len(chunks) > 1 and chunks[-2].end == steps
    assert chunks[-1].is_empty == ends_there
    if ends_there:
        assert chunks[-1] == Chunk(steps, steps, steps, steps, is_last=True)


def test_the_first_chunk_is_small_and_later_ones_grow() -> None:
    chunks = chunks_of(ChunkPolicy(first=4, growth=1.5, most=10, ahead=2, context=5), [50])
    assert [(c.window_start, c.start, c.end, c.window_end) for c in chunks] == [
        (0, 0, 4, 6),
        (0, 4, 10, 12),
        (5, 10, 19, 21),
        (14, 19, 29, 31),
        (24, 29, 39, 41),
        (34, 39, 50, 50),
    ]


def test_nothing_leaves_after_the_last_chunk_and_steps_cannot_become_fewer() -> None:
    chunker = Chunker(ChunkPolicy(first=2, ahead=0))
    assert chunker.next(2, is_complete=False) == Chunk(0, 2, 0, 2, is_last=False)
    with pytest.raises(ValueError, match="the row has 1 steps, of which 2 have left"):
        chunker.next(1, is_complete=False)
    assert chunker.next(3, is_complete=True) == Chunk(2, 3, 0, 3, is_last=True)
    assert chunker.next(3, is_complete=True) is None


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"first": 0}, "first is 0; allowed: 1 or more"),
        ({"growth": 0.9}, "growth is 0.9; allowed: 1 or more"),
        ({"growth": math.inf}, "growth is inf; allowed: 1 or more, and finite"),
        ({"growth": math.nan}, "growth is nan"),
        ({"first": 8, "most": 7}, "most is 7; allowed: 8 or more"),
        ({"ahead": -1}, "ahead is -1; allowed: 0 or more"),
        ({"context": -1}, "context is -1; allowed: 0 or more"),
    ],
)
def test_numbers_outside_their_range_are_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChunkPolicy(**numbers)  # pyright: ignore[reportArgumentType]
