"""Laws of packing: nothing lost, nothing over its cap, similar lengths together, no faster cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.batcher.batch_shape import BatchShape
from speechmill.actors.batcher.fit import Array, Curve
from speechmill.actors.batcher.packing import Cap, num_cells, pack_fastest, pack_full, pack_segments
from speechmill.actors.records.utterance import Prepared, Segment

lengths_of = st.lists(st.integers(1, 400), max_size=120)
caps_of = st.tuples(st.integers(1, 40), st.integers(1, 5_000))
coefficients = st.floats(0, 10, allow_subnormal=False)
curves = st.builds(
    lambda batch, row, cell, square: Curve({"batch": batch, "row": row, "cell": cell, "square": square / 100}),
    *[coefficients] * 4,
)


def cap_of(limits: tuple[int, int]) -> Cap:
    return lambda longest: max(1, min(limits[0], limits[1] // longest))


def packings(lengths: list[int], limits: tuple[int, int], curve: Curve) -> list[list[list[int]]]:
    cap = cap_of(limits)
    return [pack_full(lengths, cap), pack_fastest(lengths, cap, curve.over_rows)]


def seconds_of(batches: list[list[int]], lengths: list[int], curve: Curve) -> float:
    return sum(curve.at(BatchShape(len(batch), max(lengths[i] for i in batch))) for batch in batches)


def segment(row: int, length: int, voice: str = "heart", speed: float = 1.0) -> Segment:
    return Segment(row, 0, "x" * length, Prepared.of(range(length)), seed=row, voice=voice, speed=speed)


@given(lengths_of, caps_of, curves)
def test_every_index_is_in_exactly_one_batch(lengths: list[int], limits: tuple[int, int], curve: Curve) -> None:
    for packed in packings(lengths, limits, curve):
        assert sorted(index for batch in packed for index in batch) == list(range(len(lengths)))


@given(lengths_of, caps_of, curves)
def test_no_batch_is_over_its_cap(lengths: list[int], limits: tuple[int, int], curve: Curve) -> None:
    for packed in packings(lengths, limits, curve):
        for batch in packed:
            assert 1 <= len(batch) <= cap_of(limits)(max(lengths[i] for i in batch))


@given(lengths_of, caps_of, curves)
def test_batches_do_not_overlap_in_length(lengths: list[int], limits: tuple[int, int], curve: Curve) -> None:
    for packed in packings(lengths, limits, curve):
        for longer, shorter in pairwise(packed):
            assert min(lengths[i] for i in longer) >= max(lengths[i] for i in shorter)


@given(lengths_of, caps_of, curves)
def test_the_same_lengths_give_the_same_batches(lengths: list[int], limits: tuple[int, int], curve: Curve) -> None:
    assert packings(lengths, limits, curve) == packings(lengths, limits, curve)


@given(lengths_of, caps_of)
def test_a_full_batch_ends_only_where_the_next_row_does_not_fit(lengths: list[int], limits: tuple[int, int]) -> None:
    for batch in pack_full(lengths, cap_of(limits))[:-1]:
        assert len(batch) == cap_of(limits)(max(lengths[i] for i in batch))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), caps_of, curves)
def test_no_cut_of_the_sorted_rows_is_faster(lengths: list[int], limits: tuple[int, int], curve: Curve) -> None:
    """Against every cut there is: 2 ** 8 at most."""
    ordered, cap = sorted(range(len(lengths)), key=lambda i: -lengths[i]), cap_of(limits)
    least = float("inf")
    for cuts in range(2 ** (len(lengths) - 1)):
        batches = [[ordered[0]]]
        for position, index in enumerate(ordered[1:]):
            if cuts >> position & 1:
                batches.append([index])
            else:
                batches[-1].append(index)
        if all(len(batch) <= cap(lengths[batch[0]]) for batch in batches):
            least = min(least, seconds_of(batches, lengths, curve))
    found = seconds_of(pack_fastest(lengths, cap, curve.over_rows), lengths, curve)
    assert found == pytest.approx(least, rel=1e-9, abs=1e-9)


@given(lengths_of, caps_of, curves)
def test_the_fastest_batches_are_never_slower_than_full_ones(
    lengths: list[int], limits: tuple[int, int], curve: Curve
) -> None:
    full, fastest = packings(lengths, limits, curve)
    assert seconds_of(fastest, lengths, curve) <= seconds_of(full, lengths, curve) * (1 + 1e-9) + 1e-9


def test_padding_is_cut_off_where_it_costs_more_than_a_batch() -> None:
    lengths = [100, 100, 10, 10, 10, 10]
    cheap = pack_fastest(lengths, lambda _: 6, Curve({"batch": 1.0, "cell": 1.0}).over_rows)
    dear = pack_fastest(lengths, lambda _: 6, Curve({"batch": 1_000.0, "cell": 1.0}).over_rows)
    assert cheap == [[0, 1], [2, 3, 4, 5]]
    assert dear == [[0, 1, 2, 3, 4, 5]]


def test_fewer_rows_are_taken_where_more_are_slower() -> None:
    def slower_beyond_four(rows: Array, longest: int) -> Array:
        return longest * np.where(rows <= 4, rows, 2 * rows) + 1

    assert {len(batch) for batch in pack_fastest([50] * 40, lambda _: 40, slower_beyond_four)} == {4}


def test_a_hundred_thousand_segments_are_packed_whole() -> None:
    lengths = np.random.default_rng(0).lognormal(4.1, 0.99, 100_000).clip(1, 2_000).astype(int).tolist()
    curve = Curve({"batch": 0.01, "cell": 1e-5, "square": 1e-8})
    packed = pack_fastest(lengths, lambda longest: max(1, min(1_024, 200_000 // longest)), curve.over_rows)
    assert sorted(index for batch in packed for index in batch) == list(range(100_000))
    assert sum(lengths) / sum(len(b) * lengths[b[0]] for b in packed) > 0.95


def test_nothing_packs_into_nothing() -> None:
    assert pack_full([], lambda _: 4) == []
    assert pack_fastest([], lambda _: 4, Curve({"batch": 1.0}).over_rows) == []


def test_segments_are_packed_by_the_length_that_their_model_says() -> None:
    """A clone of a long reference is a long row, however short its text."""
    rows = [replace(segment(row, 5), prepared=Prepared((1,) * 5, 100 if row % 2 else 5)) for row in range(6)]
    packed = pack_segments(rows, lambda lengths: pack_full(lengths, lambda longest: 300 // longest), mixes_voices=True)
    assert [[row.row for row in batch] for batch in packed] == [[1, 3, 5], [0, 2, 4]]
    assert num_cells(packed[0]) == (300, 300)


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from("abc")), max_size=60), caps_of)
def test_a_batch_has_one_voice_where_voices_cannot_be_mixed(
    rows: list[tuple[int, str]], limits: tuple[int, int]
) -> None:
    """And where they can, batches are those of rows that all have the same voice."""
    segments = [segment(row, length, voice) for row, (length, voice) in enumerate(rows)]

    def pack(lengths: Sequence[int]) -> list[list[int]]:
        return pack_full(lengths, cap_of(limits))

    batches = pack_segments(segments, pack, mixes_voices=False)
    assert all(len({s.voice for s in batch}) == 1 for batch in batches)
    mixed = pack_segments(segments, pack, mixes_voices=True)
    alike = pack_segments([replace(s, voice="a") for s in segments], pack, mixes_voices=True)
    assert [[s.row for s in batch] for batch in mixed] == [[s.row for s in batch] for batch in alike]
    for found in (batches, mixed):
        assert sorted(s.row for batch in found for s in batch) == list(range(len(segments)))


def test_cells_count_padding() -> None:
    assert num_cells([segment(0, 10), segment(1, 5), segment(2, 3)]) == (18, 30)
    assert num_cells([]) == (0, 0)


def test_slow_speech_takes_more_cells_and_fast_speech_no_fewer() -> None:
    """A row at a quarter of the pace makes four times the audio: counted as its tokens, its batch overran memory."""
    assert segment(0, 10, speed=0.25).length == 40
    assert segment(0, 10, speed=0.3).length == 34
    assert segment(0, 10, speed=2.0).length == 10
