"""Laws of sharding: rows and cost conserved, limits held, shards of a window nearly equal, ids reproducible."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.records.utterance import Utterance
from speechmill.cluster.sharding.sharding import TAPER_ROWS, CostModel, ShardLimits, digest, shard_window

COST = CostModel(base_s=0.01, char_s=0.001, audio_char_s=0.07)
LIMITS = ShardLimits(max_rows=100, max_audio_s=600.0)


def utterances(lengths: list[int]) -> list[Utterance]:
    return [Utterance(row, f"id-{row}", "x" * length, seed=row) for row, length in enumerate(lengths)]


rows = st.lists(st.integers(1, 3_000), max_size=400).map(utterances)
limits = st.builds(ShardLimits, max_rows=st.integers(1, 200), max_audio_s=st.floats(1.0, 5_000.0))


@given(rows, limits, st.booleans())
def test_every_row_is_in_exactly_one_shard(window: list[Utterance], limit: ShardLimits, is_last: bool) -> None:
    shards = shard_window(3, window, COST, limit, is_last=is_last)
    assert sorted(u.row for shard in shards for u in shard.utterances) == [u.row for u in window]
    assert [shard.index for shard in shards] == list(range(len(shards)))
    assert sum(s.cost_s for s in shards) == pytest.approx(sum(COST.seconds(u) for u in window))


@given(rows, limits, st.booleans())
def test_no_shard_is_empty_or_over_a_limit(window: list[Utterance], limit: ShardLimits, is_last: bool) -> None:
    for shard in shard_window(0, window, COST, limit, is_last=is_last):
        assert 1 <= len(shard.utterances) <= limit.max_rows
        audio_s = sum(COST.audio_s(u) for u in shard.utterances)
        assert len(shard.utterances) == 1 or audio_s <= limit.max_audio_s


@given(rows, st.booleans())
def test_shards_hold_similar_lengths_longest_first(window: list[Utterance], is_last: bool) -> None:
    shards = shard_window(0, window, COST, LIMITS, is_last=is_last)
    lengths = [len(u.text) for shard in shards for u in shard.utterances]
    assert lengths == sorted(lengths, reverse=True)


def test_texts_are_weighed_in_the_unit_of_the_model() -> None:
    """Three bytes of UTF-8 for each Chinese character, which takes as long as three Latin letters."""
    chinese, english = (Utterance(0, "a", text, seed=0) for text in ("你好", "x" * 6))
    by_bytes = replace(COST, unit="bytes")
    assert by_bytes.seconds(chinese) == by_bytes.seconds(english) > COST.seconds(chinese)
    assert by_bytes.audio_s(chinese) == COST.audio_s(english)
    (shard,) = shard_window(0, [chinese], by_bytes, LIMITS, is_last=False)
    assert shard.cost_s == by_bytes.seconds(chinese)


@given(st.randoms(use_true_random=False), rows)
def test_the_order_of_reading_does_not_change_the_shards(random: object, window: list[Utterance]) -> None:
    shuffled = list(window)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shard_window(0, shuffled, COST, LIMITS, is_last=True) == shard_window(0, window, COST, LIMITS, is_last=True)


def test_shards_of_a_full_window_cost_nearly_the_same() -> None:
    window = utterances([60 + (row * 37) % 240 for row in range(8_192)])
    costs = [s.cost_s for s in shard_window(0, window, COST, ShardLimits(1_000, 3_600.0), is_last=False)]
    even = sum(costs) / len(costs)
    assert 0.9 * even <= min(costs)
    assert max(costs) <= 1.1 * even


def test_the_last_window_ends_in_small_shards() -> None:
    window = utterances([100] * 4_000)
    sizes = [len(s.utterances) for s in shard_window(0, window, COST, ShardLimits(1_000, 9e9), is_last=True)]
    assert sizes[0] == pytest.approx(4_000 / 16, abs=1)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] == TAPER_ROWS


def test_an_empty_window_has_no_shards() -> None:
    assert shard_window(0, [], COST, LIMITS, is_last=True) == []


@pytest.mark.parametrize(
    "change",
    [
        {"text": "other"},
        {"seed": 9},
        {"voice": "emma"},
        {"speed": 1.1},
        {"id": "b"},
        {"row": 5},
        {"metadata": {"k": 1}},
    ],
)
def test_the_digest_notices_every_column(change: dict[str, object]) -> None:
    utterance = Utterance(0, "a", "text", seed=1)
    assert digest([utterance]) != digest([replace(utterance, **change)])
    assert digest([utterance]) == digest([replace(utterance)])
