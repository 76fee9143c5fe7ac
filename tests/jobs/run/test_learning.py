"""What a run learns is there for the next one on this machine, and for nothing that differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechmill.actors.batcher.profile_cache import ProfileCache
from speechmill.actors.batcher.stats import NO_BATCHES
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.utterance import Shard, Utterance
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import Receipt, ReplicaConfig
from speechmill.cluster.scheduling.shard_tracker import CompletedShard
from speechmill.cluster.sharding.cost_cache import recall
from speechmill.cluster.sharding.sharding import CostModel
from speechmill.jobs.run.learning import Learning


def test_costs_and_profiles_are_kept_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "replica"))
    config = ModelConfig("tone", options={"audio_char_s": 0.001})
    info, cost = describe(config), CostModel(0.1, 0.01, 0.1)
    profile = tuned(ReplicaConfig(config)).profile
    assert profile is not None
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "driver"))
    learning = Learning(config, info, cost)
    learning.keep([], [])
    assert recall(config, info) is None, "nothing was learned"
    rows = tuple(Utterance(row, str(row), "x" * 100, 0) for row in range(10))
    took_s = 2 * sum(cost.seconds(row) for row in rows)
    receipt = Receipt(10, 0, 100_000, took_s, NO_BATCHES, 1, b"")
    learning.record(CompletedShard(Shard(0, 0, rows, "aa", 1.0), (receipt,), ()))
    learning.keep([profile], [])
    kept = recall(config, info)
    assert kept is not None
    assert kept.seconds(rows[0]) == pytest.approx(2 * cost.seconds(rows[0]))
    assert ProfileCache().get(profile.key) == profile
