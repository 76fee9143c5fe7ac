"""Costs learned during a run, kept on this machine for `plan` and for the next output."""

from __future__ import annotations

from collections.abc import Iterable

from ...actors.batcher.profile import Profile
from ...actors.batcher.profile_cache import ProfileCache
from ...actors.models.base import ModelConfig, ModelInfo
from ...cluster.scheduling.shard_tracker import CompletedShard
from ...cluster.sharding.cost_cache import remember
from ...cluster.sharding.cost_learner import CostLearner
from ...cluster.sharding.sharding import CostModel


class Learning:
    """The costs of one model, corrected by the measured times of its shards."""

    def __init__(self, model: ModelConfig, info: ModelInfo, cost: CostModel) -> None:
        """`cost`: the estimates that cut the shards."""
        self._model, self._info = model, info
        self._costs = CostLearner(cost)

    def record(self, completed: CompletedShard) -> None:
        """Learn from the time that a shard took."""
        self._costs.record_shard(completed.shard.utterances, completed.receipts)

    def keep(self, profiles: Iterable[Profile]) -> None:
        """Keep the corrected costs, and those profiles of replicas that this machine does not have yet."""
        if (corrected := self._costs.corrected) is not None:
            remember(self._model, self._info, corrected)
        cache = ProfileCache()
        for profile in profiles:
            if cache.get(profile.key) is None:
                cache.put(profile)
