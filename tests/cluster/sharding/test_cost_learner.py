"""What rows really cost, learned from receipts: found again, never wild, kept between runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.replica.receipt import Receipt
from speechmill.cluster.sharding.cost_cache import recall, remember
from speechmill.cluster.sharding.cost_learner import CostLearner
from speechmill.cluster.sharding.sharding import CostModel

GUESS = CostModel(0.001, 0.001, 0.06)


def shard(rows: int, chars: int, truth: CostModel, noise: float = 1.0) -> tuple[list[Utterance], list[Receipt]]:
    utterances = [Utterance(row, str(row), "x" * chars, row) for row in range(rows)]
    busy_s = noise * sum(truth.seconds(u) for u in utterances)
    audio_ms = round(1000 * sum(truth.audio_s(u) for u in utterances))
    return utterances, [Receipt(rows, 0, audio_ms, busy_s, BatchStats(), 1, b"")]


def test_what_rows_cost_is_found() -> None:
    truth, learner = CostModel(0.02, 0.0003, 0.08), CostLearner(GUESS)
    assert learner.corrected is None
    for chars in (10, 40, 90, 200, 400):
        learner.record_shard(*shard(100, chars, truth))
    found = learner.corrected
    assert found is not None
    assert (found.base_s, found.char_s) == pytest.approx((truth.base_s, truth.char_s))
    assert found.audio_char_s == pytest.approx(truth.audio_char_s, rel=1e-3)


@example([(1, 1, 1.0), (1, 1, 1.0), (1, 5, 0.5), (4, 11, 2.0)], CostModel(1.0, 0.0625, 0.125))
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 300), st.floats(0.5, 2.0)), min_size=1, max_size=12),
    st.builds(CostModel, st.floats(1e-5, 1), st.floats(1e-6, 0.1), st.floats(0.01, 0.2)),
)
def test_the_correction_is_never_negative_and_right_on_the_whole(
    shards: list[tuple[int, int, float]], truth: CostModel
) -> None:
    learner = CostLearner(GUESS)
    busy_s = expected_s = 0.0
    for rows, chars, noise in shards:
        utterances, receipts = shard(rows, chars, truth, noise)
        learner.record_shard(utterances, receipts)
        busy_s += receipts[0].busy_s
        found = learner.corrected
        assert found is not None
        assert found.base_s >= 0
        assert found.char_s >= 0
        assert found.base_s + found.char_s > 0
    for rows, chars, _ in shards:
        expected_s += sum(found.seconds(u) for u in shard(rows, chars, truth)[0])
    assert expected_s == pytest.approx(busy_s)


def test_shards_in_which_rows_failed_say_nothing() -> None:
    learner = CostLearner(GUESS)
    utterances, (receipt,) = shard(10, 10, GUESS)
    learner.record_shard(utterances, [Receipt(9, 1, 0, receipt.busy_s, BatchStats(), 1, b"")])
    learner.record_shard([], [])
    assert learner.corrected is None


def test_costs_are_kept_for_their_model_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    config = ModelConfig("tone")
    info = describe(config)
    assert recall(config, info) is None
    remember(config, info, GUESS)
    assert recall(config, info) == GUESS
    assert recall(ModelConfig("tone", options={"cell_s": 1.0}), info) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"base_s": -1, "char_s": 1, "audio_char_s": 1}', '{"base_s": "nan", "char_s": 1}']
)
def test_damaged_costs_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    config = ModelConfig("tone")
    remember(config, describe(config), GUESS)
    (file,) = tmp_path.glob("costs/*.json")
    file.write_text(content)
    assert recall(config, describe(config)) is None
