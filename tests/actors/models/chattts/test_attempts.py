"""Attempts at a row with ChatTTS on random weights: the speaker stays, the draws are others, slots stay full."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.judges import is_rejected

from speechmill.actors.audio.encoding import PCM_SCALE, pcm16
from speechmill.actors.gate.config import GateConfig
from speechmill.actors.judges.base import Hearing, JudgeConfig
from speechmill.actors.judges.registry import describe_judge
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.manifest import decode_records
from speechmill.actors.records.record import Record
from speechmill.actors.records.utterance import Segment, Utterance
from speechmill.actors.replica.receipt import JobConfig, ReplicaConfig
from speechmill.actors.replica.replica import Replica

from ...replica.memory_store import MemoryStore
from .test_model import model, segments, spoken

SLOTS = 8


def rows_of(count: int) -> list[Utterance]:
    return [Utterance(row, f"id-{row}", f"Hello, {row}.", seed=row) for row in range(count)]


def test_the_speaker_and_the_prompt_stay_and_the_draws_are_others(tiny_folder: Path) -> None:
    """A row that names no voice has a speaker of its own, made from the row's seed: it must not change."""
    made = model(tiny_folder)
    for segment in segments(made, 12):
        attempts = [replace(segment, attempt=attempt) for attempt in range(3)]
        prompts = [made.prompt(attempt, "speak") for attempt in attempts]
        assert all(torch.equal(prompts[0], prompt) for prompt in prompts[1:])
        requests = made._requests(attempts, "speak")
        assert len({request.seed for request in requests}) == 3
        assert made._requests([segment], "speak")[0].seed == requests[0].seed
    prepared = made.prepare("Hello there.", "")
    first, *others = (
        spoken(made, [Segment(0, 0, "Hello there.", prepared, 1, "", 1.0, attempt=attempt)])[0, 0]
        for attempt in range(4)
    )
    assert all(len(other) != len(first) or not np.allclose(other, first, atol=1e-4) for other in others)


def speak(
    folder: Path, rows: list[Utterance], by: int | None, max_steps: int, shards: int
) -> tuple[list[Record], float, float]:
    """All rows, in shards two at a time: records, the share of slots that held a row, and attempts at a row."""
    gate = None
    if by is not None:
        judge = JudgeConfig("support.judges:Picky", options={"by": by})
        gate = GateConfig((judge,), (describe_judge(judge),), attempts=3)
    config = ModelConfig("chattts", path=str(folder), options={"max_steps": max_steps, "incomplete": "keep"})
    made = Replica(ReplicaConfig(config, batch_rows=SLOTS))
    made.join("job", JobConfig(config, "wav", gate=gate), MemoryStore())
    size = len(rows) // shards
    with ThreadPoolExecutor(2) as threads:
        receipts = list(
            threads.map(lambda n: made.speak("job", f"p{n}", rows[n * size : n * size + size]), range(shards))
        )
    found = [record for receipt in receipts if receipt for record in decode_records(receipt.manifest, "receipt")]
    used = made._ready.model.usage()  # type: ignore[attr-defined]
    return found, used.row_steps / used.slot_steps, made.progress("job").gate.mean_attempts


@pytest.mark.slow
def test_a_row_that_was_rejected_is_what_its_attempt_is_alone(tiny_folder: Path) -> None:
    rows = rows_of(24)
    found, _, mean_attempts = speak(tiny_folder, rows, 3, 8, 2)
    assert [record.row for record in found] == list(range(24))
    assert 1.2 < mean_attempts < 1.8
    made = model(tiny_folder, SLOTS, max_steps=8)
    apart = 0
    for record in found[:10]:
        prepared = made.prepare(record.text, "")
        attempts = range((record.attempt or 0) + 1)
        waves = [
            spoken(made, [Segment(record.row, 0, "", prepared, record.row, "", 1.0, attempt=k)])[record.row, 0]
            for k in attempts
        ]
        verdicts = [is_rejected(hearing(wave, made.info.sample_rate), 3) for wave in waves]
        apart += verdicts != [True] * (len(waves) - 1) + [record.status == "failed"]
    assert apart <= 1, "but for sums that are rounded otherwise beside other rows"


def hearing(wave: NDArray[np.float32], rate: int) -> Hearing:
    """The clip of a wave, as judges hear it."""
    return Hearing("", "", "", "en", 1.0, pcm16(wave).astype(np.float32) / PCM_SCALE, rate)


@pytest.mark.soak
def test_rejected_rows_fill_free_slots(tiny_folder: Path) -> None:
    """Only the very last rejected rows, when no other row is left, leave slots empty."""
    rows = rows_of(1_200)
    _, fill, _ = speak(tiny_folder, rows, None, 8, 6)
    _, fill_with_judge, mean_attempts = speak(tiny_folder, rows, 5, 8, 6)
    assert mean_attempts > 1.1
    assert fill_with_judge >= fill - 0.02
