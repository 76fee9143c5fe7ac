"""Costs learned during a run, kept on this machine for `plan` and for the next output."""

from __future__ import annotations

from collections.abc import Iterable

from ...actors.batcher.card_cache import CardCache
from ...actors.batcher.profile import Profile
from ...actors.batcher.profile_cache import ProfileCache
from ...actors.batcher.sharing import CardUse
from ...actors.gate.stats import NO_GATE
from ...actors.models.base import ModelConfig, ModelInfo
from ...cluster.scheduling.shard_tracker import CompletedShard
from ...cluster.sharding.cost_cache import remember, remember_attempts
from ...cluster.sharding.cost_learner import CostLearner
from ...cluster.sharding.sharding import CostModel


class Learning:
    """The costs of one model, corrected by the measured times of its shards."""

    def __init__(self, model: ModelConfig, info: ModelInfo, cost: CostModel, gate: str = "") -> None:
        """Learn the costs of one model.

        Args:
            cost: The estimates that cut the shards
            gate: Names the judges of the job; "" for none
        """
        self._model, self._info, self._gate, self._judged = model, info, gate, NO_GATE
        self._costs = CostLearner(cost)

    def record(self, completed: CompletedShard) -> None:
        """Learn from the time that a shard took."""
        self._costs.record_shard(completed.shard.utterances, completed.receipts)
        self._judged += sum((receipt.gate for receipt in completed.receipts), NO_GATE)

    def keep(self, profiles: Iterable[Profile], cards: Iterable[CardUse]) -> None:
        """Keep the corrected costs, and what replicas have measured and this machine does not have yet."""
        if (corrected := self._costs.corrected) is not None:
            remember(self._model, self._info, corrected)
        if self._gate and self._judged.num_rows:
            remember_attempts(self._model, self._info, self._gate, self._judged.mean_attempts)
        ProfileCache().add(profiles)
        CardCache().add(cards)
