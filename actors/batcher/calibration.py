"""Measures a model with a small grid of batches, from the smallest up, within limits of time and memory.

Guaranteed: the measurement takes seconds, not minutes, and no batch is tried that is expected to take more than
`ENOUGH_MEMORY` of the usable memory. A model that cannot be measured (it cannot read text of its language, or fails on
it) gets no profile, and its own limit holds.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...errors import BatchOutOfMemory, JobError, RunStopped
from ..device.machine import hardware, num_cores, versions
from ..device.memory import Memory, is_out_of_memory
from ..models.base import BatchLimit, Model, ModelConfig, ModelInfo
from ..records.utterance import Segment
from .batch_shape import BatchShape
from .probes import Probes
from .profile import Profile, ProfileKey, Sample

logger = logging.getLogger(__name__)

CLIMB_S, TIME_S = 4.5, 9.0
"""Seconds that the first pass and all passes together may take, warm-up apart."""

MOST_PASSES = 4

ROW_STEP = LENGTH_STEP = 4
NUM_LENGTHS = 3
FLAT = 0.97
"""More rows are not tried once they take more than this share of the seconds per cell of fewer rows."""

ENOUGH_MEMORY = 0.6
"""Share of the usable memory that a batch under measurement may be expected to take."""

_LIBRARIES = ("torch", "onnxruntime", "numpy", "speechmill")


def key_of(config: ModelConfig, info: ModelInfo) -> ProfileKey:
    """The key of this model's profile on this machine."""
    on_cpu = config.device == "cpu"
    return ProfileKey(
        model=config.name,
        revision=info.revision,
        backend=info.backend,
        device=config.device,
        hardware=hardware(config.device) + (f", {num_cores()} cores" if on_cpu else ""),
        versions=versions(*_LIBRARIES),
        options=options_text(config),
    )


def options_text(config: ModelConfig) -> str:
    """The model's options as JSON with sorted keys."""
    return json.dumps(dict(config.options), sort_keys=True, default=str)


def calibrate(model: Model, memory: Memory, usable: Callable[[int], int], key: ProfileKey) -> Profile | None:
    """Measure the model; None if it cannot be measured.

    Args:
        usable: Returns the bytes that a batch may take, from the bytes that the model holds at rest

    Raises:
        JobError: The model has raised it
        RunStopped: The model has raised it
    """
    try:
        return _Grid(model, memory, usable).measured(key)
    except (JobError, RunStopped):
        raise
    except Exception as error:  # a model may raise anything; the rows that fail will name their errors
        logger.warning("%s cannot be measured, its own limit holds: %s: %s", key.model, type(error).__name__, error)
        return None


class _Grid:
    """Batches by length and rows, in the order of their cells; then all of them again, while there is time.

    Another process may disturb for a while, so the tries of one shape lie apart, and the fastest counts.
    """

    def __init__(self, model: Model, memory: Memory, usable: Callable[[int], int]) -> None:
        self._model, self._memory = model, memory
        self._probes = Probes(model)
        self._began = time.perf_counter()
        self._lengths = _lengths(model.info.max_length)
        # The first batches make workspaces, kernels and caches; the memory held after them is held at rest.
        for _ in range(2):
            model.speak(self._probes.batch(1, self._lengths[0]))
        memory.release()
        self._resident = memory.held()
        self._enough = ENOUGH_MEMORY * usable(self._resident)
        memory.watch()
        self._samples: list[Sample] = []
        self._batches: list[list[Segment]] = []
        self._too_large: list[BatchShape] = []
        self._samples_per_cell = 0.0
        self._warm = time.perf_counter()
        self._climb()
        self._repeat()

    def measured(self, key: ProfileKey) -> Profile:
        """The profile.

        Raises:
            ValueError: No batch could be measured
        """
        if not self._samples:
            raise ValueError("not one batch could be measured")
        texts = [segment for length in self._lengths for segment in self._probes.batch(1, length)]
        return Profile(
            key=key,
            samples=tuple(self._samples),
            resident_bytes=self._resident,
            total_bytes=self._memory.total(),
            is_main_memory=self._memory.is_main,
            samples_per_cell=self._samples_per_cell,
            cells_per_char=sum(s.length for s in texts) / sum(len(s.text) for s in texts),
            measured_s=time.perf_counter() - self._began,
            out_of_memory=tuple(self._too_large),
        )

    def _climb(self) -> None:
        """Measure each shape once; a length gets no more rows once they are no faster, or do not fit."""
        rates: dict[int, float] = {}
        ended: set[int] = set()
        for length, rows in _points(self._lengths, self._model.info.batch_limit):
            if length in ended:
                continue
            sample = self._measure(rows, length)
            if sample is None or sample.seconds / sample.shape.cells > FLAT * rates.get(length, math.inf):
                ended.add(length)
            else:
                rates[length] = sample.seconds / sample.shape.cells

    def _repeat(self) -> None:
        """Measure the seconds of all shapes again; in the first pass, memory had to be allocated."""
        for _ in range(MOST_PASSES):
            pass_s = sum(sample.seconds for sample in self._samples)
            if time.perf_counter() + pass_s > self._warm + TIME_S:
                return
            for at, (batch, sample) in enumerate(zip(self._batches, self._samples, strict=True)):
                began = time.perf_counter()
                self._model.speak(batch)
                self._samples[at] = replace(sample, seconds=min(sample.seconds, time.perf_counter() - began))

    def _measure(self, rows: int, length: int) -> Sample | None:
        """Measure one shape; None if it does not fit, or is not expected to."""
        batch = self._probes.batch(rows, length)
        shape = BatchShape(rows, max(segment.length for segment in batch))
        if shape.longest > self._model.info.max_length or not self._is_expected_to_fit(shape):
            return None
        if not self._memory.is_main:
            self._memory.watch()
        began = time.perf_counter()
        try:
            waves = self._model.speak(batch)
        except Exception as error:
            if not (isinstance(error, BatchOutOfMemory) or is_out_of_memory(error)):
                raise
            self._too_large.append(shape)
        else:
            seconds = time.perf_counter() - began
            self._samples_per_cell = max(self._samples_per_cell, max(len(wave) for wave in waves) / shape.longest)
            self._batches.append(batch)
            self._samples.append(Sample(shape, seconds, max(0, self._memory.peak() - self._resident)))
            return self._samples[-1]
        self._memory.release()
        return None

    def _is_expected_to_fit(self, shape: BatchShape) -> bool:
        """Estimate from the most bytes and seconds per cell so far, with room for costs that grow faster than cells."""
        if not self._samples:
            return True
        # Memory may grow with the square of the length, and so the bytes per cell with the length.
        growth = max(1.0, shape.longest / max(sample.shape.longest for sample in self._samples))
        cell_bytes = max(sample.peak_bytes / sample.shape.cells for sample in self._samples)
        cell_s = max(sample.seconds / sample.shape.cells for sample in self._samples[-3:])
        is_time_left = time.perf_counter() + cell_s * shape.cells < self._warm + CLIMB_S
        return is_time_left and growth * cell_bytes * shape.cells <= self._enough


def _lengths(max_length: int) -> list[int]:
    """Lengths in tokens, ascending; the longest is the model's own."""
    lengths = {max(1, max_length // LENGTH_STEP**power) for power in range(NUM_LENGTHS)}
    return sorted(lengths)


def _points(lengths: Sequence[int], limit: BatchLimit) -> list[tuple[int, int]]:
    """(length, rows) in the order of their cells."""
    points: list[tuple[int, int]] = []
    for length in lengths:
        rows = 1
        while True:
            points.append((length, rows))
            most = min(limit.max_rows, limit.max_cells // length)
            if rows >= most:
                break
            rows = min(rows * ROW_STEP, most)
    return sorted(points, key=lambda point: (point[0] * point[1], point[0]))
