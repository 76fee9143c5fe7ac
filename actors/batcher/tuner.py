"""Chooses batches by a profile, and corrects the profile by the measured costs of the batches. Pure.

Guaranteed: no batch of two rows or more is planned whose predicted peak, with the margin, is over the budget. A shape
that ran out of memory is not planned again. The same history gives the same batches. The choice of batches does not
change the audio of a segment.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import ModelError
from ..models.base import BatchLimit
from .batch_shape import BatchShape
from .budget import Budget, size
from .fit import Array, Curve, fit_bytes, fit_seconds
from .packing import pack_fastest, pack_full
from .profile import Profile, Sample
from .stats import Prediction

LEAST_MARGIN = 0.02
MARGIN_PER_EXCESS = 1.5
"""The margin is this many times the largest distance of a measurement above the curve: the next may be larger."""
MARGIN_PER_ERROR = 3.0
"""The margin is at least this many times the mean distance from the curve: few measurements may mislead."""

REACH = 4
"""No batch is planned with more than this many times the cells of the largest one so far: curves hold nearby only."""

TRIAL_EVERY = 32
"""One batch in so many is made larger or smaller than the best one: batches that follow a wrong profile would never
correct it."""
TRIALS = 3
"""The number of trials of a shape."""

REFIT_EVERY = 16
FADE = 100
"""After so many batches, the seconds measured before the run have half their weight."""

MAX_BUCKETS = 128
_FORGET = 0.9
_HARDER = 1.1


def _bucket(shape: BatchShape) -> tuple[int, int]:
    """The bucket of a shape; shapes within about a fifth of each other share it."""
    return round(4 * math.log2(shape.rows)), round(4 * math.log2(shape.longest))


@dataclass(slots=True)
class _Bucket:
    """Costs of batches of about one shape, as ratios to those of the measured profile."""

    seconds_ratio: float
    peak_ratio: float


class Tuner:
    """One replica's choice of batches.

    Args:
        profile: The measured costs; None if there are none, then only the model's own limit holds
        limit: The most that the model takes, whatever the memory
        budget: The memory budget; None without a profile
        batch_rows: Rows in a batch, as the job sets them; None for the fastest number
        batch_s: The most expected seconds of a batch of two rows or more; None for no limit
    """

    def __init__(
        self,
        profile: Profile | None,
        limit: BatchLimit,
        budget: Budget | None,
        batch_rows: int | None = None,
        batch_s: float | None = None,
    ) -> None:
        self._profile = profile
        self._limit = limit
        self._budget = budget
        self._usable_at_first = budget.usable if budget else math.inf
        self._batch_rows, self._batch_s = batch_rows, batch_s
        self._peak = profile.peak if profile else Curve({})
        self._seconds = profile.seconds if profile else Curve({})
        self._buckets: dict[tuple[int, int], _Bucket] = {}
        self._tried_cells = profile.most_cells if profile else 0
        self._least_excess = 0.0
        self._trials: Counter[tuple[int, int]] = Counter()
        self._num_planned = self._num_spoken = 0
        self._actual_s = self._expected_s = 0.0
        self._max_cells = math.inf
        self.harder = 1.0
        """Factor on the coefficients of memory, raised when batches do not fit."""

    @property
    def margin(self) -> float:
        """The share of its predicted memory that a batch may take in addition."""
        worst = max(self._peak.excess, self._least_excess)
        return max(LEAST_MARGIN, MARGIN_PER_EXCESS * worst, MARGIN_PER_ERROR * self._peak.error)

    @property
    def resident_bytes(self) -> int:
        """Memory that the model holds at rest; 0 if memory is not measured."""
        return self._budget.resident if self._budget else 0

    @property
    def bound_bytes(self) -> int:
        """The most memory that may be held at any moment; 0 if memory is not measured."""
        return self._budget.bound if self._budget else 0

    def check(self, max_length: int) -> None:
        """Raise ModelError, with the arithmetic, if the job sets more rows in a batch than can fit."""
        rows, budget = self._batch_rows, self._budget
        if rows is None or budget is None or self.fits(BatchShape(rows, max_length)):
            return
        needed = self._peak.at(BatchShape(rows, max_length)) * (1 + self.margin)
        fitting = self._rows_that_fit(max_length)
        advice = f"use {fitting} at most, or auto_max" if fitting else "use a larger model.vram_utilization"
        raise ModelError(
            f"model.batch_size is {rows}: {rows} rows of length {max_length}, the longest segment, need "
            f"{size(needed)} at their peak (margin of {100 * self.margin:.0f} % included). {budget.explain()}; {advice}"
        )

    def pack(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indices of `lengths` in batches, longest first; each index exactly once."""
        if self._batch_rows is not None or not self._seconds.coefficients:
            return pack_full(lengths, self.cap)
        return self._with_trials(pack_fastest(lengths, self.cap, self._over_rows), lengths)

    def cap(self, longest: int) -> int:
        """The most rows, at least 1, of a batch with this longest row."""
        if self._batch_rows is not None:
            rows: float = self._batch_rows
        else:
            rows = min(self._limit.max_rows, self._limit.max_cells // longest)
            if self._profile:
                rows = min(rows, REACH * self._tried_cells // longest)
        rows = min(rows, self._max_cells // longest)
        if self._budget and (self._batch_rows is None or self.harder > 1):
            rows = min(rows, self._rows_that_fit(longest))
        if self._batch_s is not None and self._seconds.coefficients and rows > 1:
            rows = int((self._over_rows(np.arange(1.0, int(rows) + 1), longest) <= self._batch_s).sum())
        return max(1, int(rows))

    def fits(self, shape: BatchShape) -> bool:
        """Whether a batch, margin included, is within the budget; True without a budget."""
        return self._budget is None or self._needed(shape) <= self._budget.usable

    def can_ever_fit(self, shape: BatchShape) -> bool:
        """Whether a batch would fit into the budget as it was at the start."""
        return self._needed(shape) <= self._usable_at_first

    def predict(self, shape: BatchShape) -> Prediction:
        """The predicted costs of a batch."""
        budget = self._budget
        peak = round(budget.resident + budget.beside + self._needed(shape)) if budget else 0
        return Prediction(shape, self._seconds.at(shape), peak)

    def spoke(self, shape: BatchShape, seconds: float, peak_bytes: int | None = None) -> None:
        """Learn from a batch.

        Args:
            seconds: Seconds that it took
            peak_bytes: Its peak above the memory held at rest; None if that was not measured
        """
        profile = self._profile
        self._tried_cells = max(self._tried_cells, shape.cells)
        if profile is None:
            return
        expected_s, expected_bytes = profile.seconds.at(shape), profile.peak.at(shape)
        seconds_ratio = seconds / expected_s if expected_s > 0 else 1.0
        peak_ratio = peak_bytes / expected_bytes if peak_bytes and expected_bytes > 0 else 0.0
        self._actual_s = _FORGET * self._actual_s + seconds
        self._expected_s = _FORGET * self._expected_s + expected_s
        key = _bucket(shape)
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            bucket = _Bucket(seconds_ratio, peak_ratio)
        else:
            bucket.seconds_ratio += (1 - _FORGET) * (seconds_ratio - bucket.seconds_ratio)
            bucket.peak_ratio = max(bucket.peak_ratio, peak_ratio)
        self._buckets[key] = bucket  # the last one is the latest
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        self._num_spoken += 1
        is_surprise = peak_bytes is not None and peak_bytes > (1 + self.margin) * self.harder * self._peak.at(shape)
        if is_surprise or self._num_spoken % REFIT_EVERY == 0:
            self._refit(profile)
        if is_surprise and peak_bytes is not None:
            over = peak_bytes / max(1.0, self._peak.at(shape)) - 1
            self._least_excess = max(self._least_excess, over / MARGIN_PER_EXCESS)

    def held(self, shape: BatchShape, peak_bytes: int) -> None:
        """Learn from the peak of the whole process: memory above the prediction counts as held at rest from now on."""
        if self._budget is not None:
            excess = peak_bytes - self.predict(shape).peak_bytes
            if excess > 0:
                self._budget = replace(self._budget, resident=self._budget.resident + excess)

    def ran_out(self, shape: BatchShape) -> None:
        """Learn from a batch that did not fit: neither its shape nor a larger one is planned again."""
        if shape.rows == 1 and not self.fits(shape):
            return  # as predicted: the coefficients are right
        predicted = self._peak.at(shape)
        if self._budget and predicted > 0:
            # The least factor that puts the shape over the budget, and a step more.
            least = self._budget.usable / (predicted * (1 + self.margin))
            self.harder = _HARDER * max(self.harder, least)
            if self._rows_that_fit(shape.longest) < shape.rows:
                return
        self._max_cells = min(self._max_cells, max(1, shape.cells // 2))

    def _with_trials(self, batches: list[list[int]], lengths: Sequence[int]) -> list[list[int]]:
        """Join or halve one batch in `TRIAL_EVERY`, if the memory allows it and the new shape was tried rarely."""
        tried: list[list[int]] = []
        waiting = deque(batches)
        while waiting:
            batch = waiting.popleft()
            self._num_planned += 1
            if self._num_planned % TRIAL_EVERY:
                tried.append(batch)
                continue
            is_larger = self._num_planned // TRIAL_EVERY % 2
            joined = [*batch, *waiting[0]] if waiting else []
            half = len(batch) // 2
            is_within = bool(joined) and len(joined) <= self.cap(lengths[batch[0]])
            if is_larger and is_within and self._is_new(joined, lengths):
                waiting.popleft()
                tried.append(joined)
            elif half and not is_larger and self._is_new(batch[:half], lengths):
                tried += [batch[:half], batch[half:]]
            else:
                tried.append(batch)
        return tried

    def _is_new(self, batch: Sequence[int], lengths: Sequence[int]) -> bool:
        key = _bucket(BatchShape(len(batch), lengths[batch[0]]))
        self._trials[key] += 1
        return self._trials[key] <= TRIALS

    def _over_rows(self, rows: Array, longest: int) -> Array:
        return self._seconds.over_rows(rows, longest)

    def _needed(self, shape: BatchShape) -> float:
        return self._peak.at(shape) * self.harder * (1 + self.margin)

    def _rows_that_fit(self, longest: int) -> int:
        assert self._budget is not None
        one, two = self._needed(BatchShape(1, longest)), self._needed(BatchShape(2, longest))
        if two <= one:  # memory does not grow with rows
            return int(self._limit.max_rows if one <= self._budget.usable else 0)
        return max(0, int((self._budget.usable - one) / (two - one) + 1 + 1e-9)) if one <= self._budget.usable else 0

    def _refit(self, profile: Profile) -> None:
        """Fit the curves again to measured and learned samples; measured ones are scaled by the general drift."""
        drift = self._actual_s / self._expected_s if self._expected_s > 0 else 1.0
        learned: list[Sample] = []
        for (rows, longest), bucket in self._buckets.items():
            shape = BatchShape(max(1, round(2 ** (rows / 4))), max(1, round(2 ** (longest / 4))))
            seconds = bucket.seconds_ratio * profile.seconds.at(shape)
            peak_ratio = bucket.peak_ratio or 1.0
            learned.append(Sample(shape, seconds, round(peak_ratio * profile.peak.at(shape))))
        measured = [replace(sample, seconds=drift * sample.seconds) for sample in profile.samples]
        # Samples measured before the run lose weight with the number of batches spoken since.
        weight = 1 / (1 + self._num_spoken / FADE)
        weights = [weight] * len(measured) + [1.0] * len(learned)
        shapes = [sample.shape for sample in measured + learned]
        self._seconds = fit_seconds(shapes, [s.seconds for s in measured + learned], weights)
        self._peak = fit_bytes(shapes, [s.peak_bytes for s in measured + learned])
