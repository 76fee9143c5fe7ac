"""What a start of the model prepares, and what the next one finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from speechmill.actors.engine import step_synthesis as module
from speechmill.actors.engine.request import Sampling
from speechmill.actors.engine.slots import Choice
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.options import Options
from speechmill.actors.models.chattts.speech import ChatttsSpeech, Line
from speechmill.actors.records.stream_handle import StreamHandle


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[int]]:
    """The trials of slots from here on, in a cache of its own; each finds the machine quiet, and the most the best."""
    trials: list[Sequence[int]] = []

    def choose(network: object, device: object, tried: Sequence[int]) -> Choice:
        trials.append(tried)
        return Choice(tried[-1], {slots: 1.0 if slots < tried[-1] else 0.1 for slots in tried}, is_quiet=True)

    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "choose_slots", choose)
    return trials


def start(folder: Path, most: int = 3, dtype: str = "float32", **options: Any) -> int:
    """The slots that a replica takes."""
    speech = ChatttsSpeech(Checkpoint.open(folder), "cpu", dtype, Options(**options))
    slots = speech.reserve(10**9, None, 200, 0, most)
    assert speech.usage.steps == 0, "what is tried is no row's step"
    return slots


def test_the_second_start_tries_no_slots(tiny_folder: Path, tried: list[Sequence[int]]) -> None:
    assert start(tiny_folder) == start(tiny_folder) == 3
    assert tried == [(1, 2, 3)]


def test_what_steps_depend_on_is_tried_for_itself(tiny_folder: Path, tried: list[Sequence[int]]) -> None:
    start(tiny_folder)
    start(tiny_folder, most=5)
    start(tiny_folder, dtype="bfloat16")
    torch.set_num_threads(2)
    try:
        start(tiny_folder)
    finally:
        torch.set_num_threads(1)
    assert len(tried) == 4
    assert start(tiny_folder) == 3
    assert len(tried) == 4


def test_where_the_number_is_known_or_nothing_fits_no_slots_are_tried(
    tiny_folder: Path, tried: list[Sequence[int]]
) -> None:
    assert start(tiny_folder, deterministic=True) == 16
    speech = ChatttsSpeech(Checkpoint.open(tiny_folder), "cpu", "float32", Options())
    assert speech.reserve(10**9, 7, 200, 0, 64) == 7
    assert speech.reserve(10, None, 200, 0, 64) == 0
    assert not tried


@pytest.mark.parametrize("decoder", [pytest.param("hidden", marks=pytest.mark.slow), "codes"])
def test_the_decoder_is_warmed_with_every_window_of_a_stream(
    tiny_folder: Path, decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU does at its start, and no other device."""
    speech = ChatttsSpeech(Checkpoint.open(tiny_folder), "cpu", "float32", Options(decoder=decoder, incomplete="keep"))
    assert speech.reserve(10**9, 2, 200, 0, 64) == 2
    seen: list[torch.Size] = []
    decode = speech.synthesis._decode

    def watched(steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        seen.append(steps.shape)
        return decode(steps, lengths)

    monkeypatch.setattr(speech.synthesis, "_decode", watched)
    speech.synthesis._warm_decoder(200)
    warmed, seen[:] = set(seen), []
    line = Line((1, 2, 300, 301), None, None, 0, Sampling(min_steps=130, max_steps=130))
    assert len(list(speech.stream(line, StreamHandle()))) > 4
    assert len(set(seen) - warmed) <= 1, "the last window is as long as the row happens to be"
