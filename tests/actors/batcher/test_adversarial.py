"""Lengths that break fixed batches, through a whole attempt: no row is lost, and memory is not overrun."""

from __future__ import annotations

import math
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechmill.actors.batcher.stats import BatchStats
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.replica.loaded_model import tuned
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig, ReplicaProgress
from speechmill.actors.replica.shard_synthesis import ShardSynthesis

LONGEST = 1_200
ROWS, SHARD = 1_000, 500
DEVICE = {
    "max_length": LONGEST,
    "audio_char_s": 1e-5,
    "batch_s": 5e-3,  # so that large batches pay also by what a busy machine measures
    "memory_bytes": 20_000_000,
    "weights_bytes": 2_000_000,
    "row_bytes": 500,
    "cell_bytes": 100,
    "square_bytes": 1,  # hidden: at the longest it is nine tenths of the memory, at 25 tokens a fifth
}


def log_normal(rows: int) -> list[int]:
    sigma = math.log(10) / 2.3263
    return np.random.default_rng(3).lognormal(math.log(60), sigma, rows).clip(1, LONGEST).astype(int).tolist()


LENGTHS = {
    "constant": [77] * ROWS,
    "bimodal": [LONGEST if row % 7 == 0 else 3 for row in range(ROWS)],
    "a giant among dwarfs": [LONGEST if row % SHARD == SHARD // 2 else 5 for row in range(ROWS)],
    "ascending": sorted(log_normal(ROWS)),
    "descending": sorted(log_normal(ROWS), reverse=True),
    "log-normal": log_normal(ROWS),
}


class NoPart:
    """Takes nothing and keeps nothing."""

    def add(self, *_: Any) -> tuple[str, None]:
        raise AssertionError("nothing is encoded here")

    def close(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to forget."""


ASKED = JobConfig(ModelConfig("tone"), "wav")


def never() -> bool:
    """Nothing is handed back."""
    return False


def speak(lengths: list[int], **options: Any) -> tuple[int, int, BatchStats, float]:
    """Rows spoken, rows failed, the batches, and the margin at the end."""
    config = ReplicaConfig(ModelConfig("tone", options=DEVICE | options))
    voice = tuned(config)
    spoken: list[partial[Record]] = []
    failed: list[ReplicaProgress] = []
    stats = BatchStats()

    def encode_soon(work: partial[Record]) -> Future[Record]:
        spoken.append(work)
        return Future()

    for start in range(0, len(lengths), SHARD):
        rows = [
            Utterance(start + n, str(n), "a" * length, n) for n, length in enumerate(lengths[start : start + SHARD])
        ]
        attempt = ShardSynthesis(
            voice, ASKED, NoPart(), encode_soon, lambda p: failed.append(p) if p.failed else None, never
        )
        attempt.synthesise(rows)
        stats += attempt.batches
    assert voice.tuner.harder >= 1
    return len(spoken), len(failed), stats, voice.tuner.margin


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_no_length_overruns_the_memory_or_loses_a_row(name: str, noise: float) -> None:
    num_spoken, num_failed, stats, margin = speak(LENGTHS[name], memory_noise=noise)
    assert (num_spoken, num_failed, stats.num_rows) == (ROWS, 0, ROWS)
    # Memory that varies by chance may surprise once; then more is expected of every batch.
    assert stats.num_out_of_memory <= (noise > 0)
    assert stats.peak_bytes <= stats.bound_bytes == int(0.9 * DEVICE["memory_bytes"])
    assert stats.peak_bytes <= stats.predicted_bytes
    assert margin < 0.12


def test_memory_that_shrinks_under_a_run_costs_batches_and_not_rows(tmp_path: Path) -> None:
    """A neighbour takes three quarters of the device after it was measured, and stays."""
    config = ReplicaConfig(ModelConfig("tone", options=DEVICE))
    voice = tuned(config)
    assert voice.memory is not None
    voice.memory.cap(DEVICE["memory_bytes"] // 4)
    spoken: list[partial[Record]] = []

    def encode_soon(work: partial[Record]) -> Future[Record]:
        spoken.append(work)
        return Future()

    stats = []
    for _ in range(2):
        attempt = ShardSynthesis(voice, ASKED, NoPart(), encode_soon, lambda _: None, never)
        attempt.synthesise([Utterance(n, str(n), "a" * length, n) for n, length in enumerate(log_normal(SHARD))])
        stats.append(attempt.batches)
    assert len(spoken) == 2 * SHARD
    assert 0 < stats[0].num_out_of_memory < 20
    assert stats[1].num_out_of_memory == 0
    assert voice.tuner.harder > 1
