"""Batches of finished rows: every row once, at its own length, in batches of bounded size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from speechmill.actors.engine.decoding import Decoder
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.acoustic import HiddenDecoder
from speechmill.actors.models.chattts.nets.vocos import Vocos
from speechmill.actors.models.chattts.synthesis import decode

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 30), max_size=25)
BATCH_STEPS = st.integers(1, 60)


class Doubler:
    """Stands for the networks: every step, of one channel, is heard twice but the last, which is heard once."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, steps: Tensor, lengths: Tensor) -> Tensor:
        assert steps.shape[:2] == (len(lengths), 1)
        assert steps.shape[2] == int(lengths.max())
        self.batches.append(lengths.tolist())
        return steps[:, 0].repeat_interleave(2, 1)[:, :-1]


def decoder_of(networks: Doubler, batch_steps: int) -> Decoder:
    return Decoder(networks, lambda steps: 2 * steps - 1, batch_steps, CPU)


def row(key: int, length: int) -> Tensor:
    """Numbers that no other row has: [length, 1]."""
    return torch.arange(1, length + 1)[:, None] + 100.0 * key


def heard(key: int, length: int) -> list[float]:
    return np.repeat(row(key, length)[:, 0].numpy(), 2)[:-1].tolist()


@given(LENGTHS, BATCH_STEPS, st.data())
def test_every_row_comes_out_once_as_it_went_in(lengths: list[int], batch_steps: int, data: st.DataObject) -> None:
    networks = Doubler()
    decoder = decoder_of(networks, batch_steps)
    out: list[tuple[int, NDArray[np.float32]]] = []
    for key, length in enumerate(lengths):
        decoder.put(key, row(key, length))
        if data.draw(st.booleans()):
            out += decoder.take(is_last=False)
            assert not decoder.is_full
    out += decoder.take(is_last=True)
    assert sorted(key for key, _ in out) == list(range(len(lengths)))
    for key, wave in out:
        assert wave.tolist() == heard(key, lengths[key])
    assert list(decoder.take(is_last=True)) == []


@given(LENGTHS, BATCH_STEPS)
def test_batches_are_bounded_and_of_rows_of_like_length(lengths: list[int], batch_steps: int) -> None:
    networks = Doubler()
    decoder = decoder_of(networks, batch_steps)
    for key, length in enumerate(lengths):
        decoder.put(key, row(key, length))
    list(decoder.take(is_last=True))
    assert [length for batch in networks.batches for length in batch] == sorted(lengths, reverse=True)
    for batch in networks.batches:
        assert len(batch) * max(batch) <= batch_steps or len(batch) == 1
    for batch in networks.batches[:-1]:
        assert (len(batch) + 1) * max(batch) > batch_steps  # no room for one more


@given(LENGTHS, BATCH_STEPS)
def test_rows_wait_until_they_fill_two_batches(lengths: list[int], batch_steps: int) -> None:
    networks = Doubler()
    decoder = decoder_of(networks, batch_steps)
    waiting = 0
    for key, length in enumerate(lengths):
        decoder.put(key, row(key, length))
        waiting += length
        assert decoder.is_full == (waiting > 2 * batch_steps)
        taken = list(decoder.take(is_last=False))
        if waiting <= 2 * batch_steps:
            assert taken == []
        waiting -= sum((len(wave) + 1) // 2 for _, wave in taken)
        assert waiting <= 2 * batch_steps


@given(st.permutations(range(6)))
def test_batches_do_not_depend_on_the_order_in_which_rows_end(order: list[int]) -> None:
    lengths, taken = [4, 4, 9, 1, 4, 2], Doubler()
    decoder = decoder_of(taken, 10)
    for key in order:
        decoder.put(key, row(key, lengths[key]))
    assert [key for key, _ in decoder.take(is_last=True)] == [2, 4, 1, 0, 5, 3]


def test_a_waveform_is_memory_of_its_own() -> None:
    """A view would keep its whole batch, padding and all, for as long as the row is kept."""
    decoder = decoder_of(Doubler(), 100)
    for key in range(3):
        decoder.put(key, row(key, 5))
    for _, wave in decoder.take(is_last=True):
        assert wave.base is None


@settings(max_examples=min(10, settings.default.max_examples // 2))
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 2**32))
def test_with_the_networks_a_row_sounds_as_alone(tiny_folder: Path, lengths: list[int], seed: int) -> None:
    checkpoint = Checkpoint.open(tiny_folder)
    hidden = HiddenDecoder(TINY, checkpoint.load("decoder", "cpu", torch.float32))
    vocos = Vocos(TINY, checkpoint.load("vocos", "cpu", torch.float32))
    decoder = Decoder(
        lambda steps, lengths: decode(steps, lengths, hidden, vocos),
        TINY.timing.num_samples,
        batch_steps=20,
        device=CPU,
    )
    chance = torch.Generator().manual_seed(seed)
    rows = [torch.randn(length, TINY.hidden, generator=chance) for length in lengths]
    for key, steps in enumerate(rows):
        decoder.put(key, steps)
    found = dict(decoder.take(is_last=True))
    for key, steps in enumerate(rows):
        alone = decode(steps.T[None], torch.tensor([len(steps)]), hidden, vocos)[0].numpy()
        assert found[key].dtype == np.float32
        assert found[key].shape == alone.shape
        np.testing.assert_allclose(found[key], alone, rtol=0, atol=1e-4 * float(np.sqrt(np.square(alone).mean())))
