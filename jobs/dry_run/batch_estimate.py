"""The batches that a job would make, by a profile that is already there: nothing is loaded, nothing measured.

Lengths are estimated from characters, so counts are about right, not exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...actors.batcher.batch_shape import BatchShape
from ...actors.batcher.budget import Budget
from ...actors.batcher.calibration import options_text
from ...actors.batcher.fit import Curve
from ...actors.batcher.profile import Profile
from ...actors.batcher.profile_cache import ProfileCache
from ...actors.batcher.stats import BatchStats
from ...actors.models.base import ModelInfo
from ...actors.records.utterance import Utterance
from ...actors.replica.loaded_model import budget_of, tuner_of
from ...actors.replica.receipt import ReplicaConfig


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of a job, predicted.

    Attributes:
        hardware: What the profile was measured on.
        peak: Its curves; `margin` is what a batch may take beyond its prediction, relative.
        seconds: The curves of the time, likewise.
        budget: The memory of a replica, in words.
        predicted: Sums over all batches; bytes are those of the largest.

    fewest, most_rows rows of the smallest and of the largest batch
    """

    hardware: str
    peak: Curve
    seconds: Curve
    margin: float
    budget: str
    predicted: BatchStats
    fewest_rows: int
    most_rows: int


class BatchPlanner:
    """Packs shards as a replica would."""

    def __init__(self, config: ReplicaConfig, info: ModelInfo, profile: Profile) -> None:
        """Estimate the batches.

        Raises:
            ModelError: The model, or the batch size asked for, does not fit into the memory
        """
        self._info, self._profile = info, profile
        self._budget: Budget = budget_of(config, profile, info.max_length, profile.total_bytes, 0)
        self._tuner = tuner_of(config, info, profile, self._budget)
        self._stats = BatchStats(bound_bytes=self._budget.bound)
        self._fewest, self._most = 0, 0

    @classmethod
    def find(cls, config: ReplicaConfig, info: ModelInfo) -> BatchPlanner | None:
        """By the newest profile that this machine knows of the model; None if there is none.

        Raises:
            ModelError: The model, its weights or its options are wrong; the message names the key or file
        """
        model = config.model
        options = options_text(model)
        profile = ProfileCache().latest(model.name, info.revision, info.backend, model.device, options)
        return cls(config, info, profile) if profile else None

    def shard(self, utterances: Iterable[Utterance]) -> None:
        """Count the batches of a shard."""
        by_voice: dict[str, list[int]] = {}
        for utterance in utterances:
            by_voice.setdefault(utterance.voice, []).extend(self._lengths(utterance))
        for lengths in by_voice.values():
            for batch in self._tuner.pack(lengths):
                self._count([lengths[index] for index in batch])

    def plan(self) -> BatchPlan | None:
        """What was counted; None if there was nothing to batch."""
        if not self._stats.num_batches:
            return None
        profile = self._profile
        return BatchPlan(
            hardware=profile.key.hardware,
            peak=profile.peak,
            seconds=profile.seconds,
            margin=self._tuner.margin,
            budget=self._budget.explain(),
            predicted=self._stats,
            fewest_rows=self._fewest,
            most_rows=self._most,
        )

    def _count(self, lengths: list[int]) -> None:
        shape = BatchShape(len(lengths), max(lengths))
        predicted = self._tuner.predict(shape)
        self._stats += BatchStats(
            num_batches=1,
            num_rows=shape.rows,
            cells_filled=sum(lengths),
            cells_total=shape.cells,
            predicted_s=predicted.seconds,
            predicted_bytes=predicted.peak_bytes,
        )
        self._fewest = min(self._fewest or shape.rows, shape.rows)
        self._most = max(self._most, shape.rows)

    def _lengths(self, utterance: Utterance) -> list[int]:
        """The segments' lengths: as if the text were cut into even pieces, none longer than the model takes."""
        chars = len(utterance.text)
        pieces = -(-chars // self._info.split_chars)
        length = self._profile.cells_per_char * chars / max(1, pieces) / min(1.0, utterance.speed)
        return [max(1, round(length))] * pieces
