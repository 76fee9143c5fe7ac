"""Learning what rows really cost, from the receipts of shards. Pure.

Corrected estimates serve the next output: the shards of one that has begun are cut by what its `job.json` keeps, so
that they are found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...actors.records.utterance import Utterance
from ...actors.records.utterance_columns import UtteranceColumns
from ...actors.replica.receipt import Receipt
from .sharding import CostModel

LEAST_SHARDS = 4
"""Fewer say how much the estimates are off, not which of them."""


class CostLearner:
    """Fits seconds = base_s * rows + char_s * length of the texts.

    How the two share the cost is fitted with each shard's relative error counting alike. Over all shards they add up to
    what those took: a fit of relative errors alone is too low, the more so the more the shards scatter.
    """

    def __init__(self, estimates: CostModel) -> None:
        self._estimates = estimates
        self._gram = np.zeros((2, 2))
        self._right = np.zeros(2)
        self._num_shards = self._num_rows = 0
        self._busy_s = self._estimated_s = self._audio_s = self._chars = self._speech_chars = 0.0

    def record_shard(self, utterances: Sequence[Utterance], receipts: Sequence[Receipt]) -> None:
        """Learn from a shard and what became of it; one of which rows failed says nothing."""
        # As if each row had been spoken once: how many attempts rows take is the judges' business, not the model's.
        busy_s = sum(receipt.busy_s / receipt.gate.mean_attempts for receipt in receipts)
        if busy_s <= 0 or any(receipt.num_failed for receipt in receipts) or not utterances:
            return
        columns = UtteranceColumns.of(utterances)
        lengths = np.asarray(self._estimates.lengths(columns.texts), np.float64)
        chars = float(lengths.sum())
        terms = np.asarray([len(columns), chars]) / busy_s
        self._gram += np.outer(terms, terms)
        self._right += terms
        self._num_shards += 1
        self._num_rows += len(columns)
        self._chars += chars
        self._busy_s += busy_s
        self._estimated_s += self._estimates.base_s * len(columns) + self._estimates.char_s * chars
        self._audio_s += sum(receipt.audio_ms for receipt in receipts) / 1000
        self._speech_chars += float((lengths / np.asarray(columns.speeds, np.float64)).sum())

    @property
    def corrected(self) -> CostModel | None:
        """The estimates as they should have been; None before the first shard."""
        if not self._num_shards or not self._estimated_s or not self._speech_chars:
            return None
        factor = self._busy_s / self._estimated_s
        base_s, char_s = factor * self._estimates.base_s, factor * self._estimates.char_s
        if self._num_shards >= LEAST_SHARDS and np.linalg.cond(self._gram) < 1e10:
            solved = np.linalg.solve(self._gram, self._right)
            if (solved > 0).all():
                fitted_s = float(solved @ (self._num_rows, self._chars))
                base_s, char_s = (float(cost_s) * self._busy_s / fitted_s for cost_s in solved)
        audio_char_s = self._audio_s / self._speech_chars or self._estimates.audio_char_s
        return replace(self._estimates, base_s=base_s, char_s=char_s, audio_char_s=audio_char_s)
