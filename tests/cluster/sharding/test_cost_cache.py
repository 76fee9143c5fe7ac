"""Costs that are kept between runs: what is read is what was written, in the unit that the model counts in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.cluster.sharding.cost_cache import recall, remember
from speechmill.cluster.sharding.sharding import CostModel


def test_costs_are_kept_with_their_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs of a character say nothing of a byte."""
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    config = ModelConfig("tone")
    info, cost = describe(config), CostModel(0.1, 0.2, 0.3)
    by_bytes = replace(info, cost_unit="bytes")
    remember(config, info, cost)
    assert (recall(config, info), recall(config, by_bytes)) == (cost, None)
    remember(config, info, replace(cost, unit="bytes"))
    assert (recall(config, info), recall(config, by_bytes)) == (None, replace(cost, unit="bytes"))
