"""Steps to waveforms: exact lengths, rows alone and among others, windows of steps with context."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speechmill.actors.models.chattts.checkpoint.layout import FULL, TINY, Sizes
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.acoustic import Dvae, HiddenDecoder
from speechmill.actors.models.chattts.nets.vocos import Vocos
from speechmill.actors.models.chattts.synthesis import MelDecoder, context_steps, decode

SEEDS = st.integers(0, 2**32)
few = settings(max_examples=min(15, settings.default.max_examples // 2))
KINDS = st.sampled_from(["hidden", "codes"])


class Networks:
    """Both decoders and the vocoder of one checkpoint."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        checkpoint = Checkpoint.open(folder)
        self.vocos = Vocos(sizes, checkpoint.load("vocos", "cpu", torch.float32))
        self.decoders: dict[str, MelDecoder] = {
            "hidden": HiddenDecoder(sizes, checkpoint.load("decoder", "cpu", torch.float32)),
            "codes": Dvae(sizes, checkpoint.load("dvae", "cpu", torch.float32)),
        }

    def waves(self, kind: str, steps: Tensor, lengths: list[int]) -> Tensor:
        return decode(steps, torch.tensor(lengths), self.decoders[kind], self.vocos)

    def context(self, kind: str) -> int:
        return context_steps(self.decoders[kind], self.vocos)


@pytest.fixture(scope="module")
def networks(tiny_folder: Path) -> Networks:
    return Networks(tiny_folder, TINY)


def steps_of(kind: str, seed: int, batch: int, steps: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    if kind == "codes":
        return torch.randint(0, 625, (batch, TINY.num_vq, steps), generator=chance)
    return torch.randn(batch, TINY.hidden, steps, generator=chance)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.square().mean().sqrt()))


@given(st.integers(1, 4_000))
def test_a_step_is_512_samples_and_the_last_one_half_of_that(steps: int) -> None:
    assert FULL.timing.num_samples(steps) == 512 * steps - 256
    assert FULL.timing.num_samples(steps + 1) - FULL.timing.num_samples(steps) == FULL.step_samples


@few
@given(KINDS, SEEDS, st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(0, 2))
def test_a_row_among_others_is_the_row_alone(
    networks: Networks, kind: str, seed: int, lengths: list[int], more: int
) -> None:
    x = steps_of(kind, seed, len(lengths), max(lengths) + more)
    is_padding = (torch.arange(x.shape[2]) >= torch.tensor(lengths)[:, None])[:, None]
    waves = networks.waves(kind, x.masked_fill(is_padding, -1 if kind == "codes" else torch.nan), lengths)
    assert waves.shape == (len(lengths), TINY.timing.num_samples(x.shape[2]))
    for row, length in enumerate(lengths):
        alone = networks.waves(kind, x[row : row + 1, :, :length], [length])
        samples = TINY.timing.num_samples(length)
        assert alone.shape == (1, samples)
        close(waves[row : row + 1, :samples], alone)
        assert not waves[row, samples:].any()


@few
@given(KINDS, SEEDS, st.integers(1, 30), st.data())
def test_a_window_with_context_sounds_as_in_the_whole(
    networks: Networks, kind: str, seed: int, width: int, data: st.DataObject
) -> None:
    """Piece by piece, as one would stream: with whole context, or the end of the row, to either side."""
    x, around = steps_of(kind, seed, 1, 60), networks.context(kind)
    whole = networks.waves(kind, x, [60])
    start = data.draw(st.integers(0, 60 - width))
    low, high = max(0, start - around), min(60, start + width + around)
    window = networks.waves(kind, x[:, :, low:high], [high - low])
    size = TINY.step_samples
    end = TINY.timing.num_samples(60) if start + width == 60 else (start + width) * size
    close(window[:, (start - low) * size : end - low * size], whole[:, start * size : end])


@pytest.mark.parametrize("kind", ["hidden", "codes"])
def test_a_step_reaches_context_steps_and_no_further(networks: Networks, kind: str) -> None:
    around = networks.context(kind)
    steps, at = 3 * around, around + 3
    x = steps_of(kind, 0, 1, steps)
    changed = x.clone()
    changed[:, :, at] = 624 - x[:, :, at] if kind == "codes" else x[:, :, at] + 10
    before, after = (networks.waves(kind, given, [steps]) for given in (x, changed))
    differs = (before != after)[0].nonzero().flatten() // TINY.step_samples
    assert (int(differs[0]), int(differs[-1])) == (at - around, at + around)


def test_the_published_number_of_blocks_reaches_52_steps(tmp_path: Path) -> None:
    """1.1 s: 75 frames of a mel decoder, 29 of the vocoder, two frames a step. Widths do not matter."""
    blocks = {name: getattr(FULL, name) for name in ("dvae_blocks", "decoder_blocks", "vocos_blocks")}
    sizes = replace(TINY, **blocks)
    write_random(tmp_path, sizes, 0)
    deep = Networks(tmp_path, sizes)
    assert deep.vocos.context_frames == 29
    assert deep.context("hidden") == deep.context("codes") == 52


@pytest.mark.parametrize("lengths", [[0, 3], [4, 3]])
def test_lengths_that_do_not_fit_are_refused(networks: Networks, lengths: list[int]) -> None:
    with pytest.raises(ValueError, match=f"has length {lengths[0]}; allowed: 1 to 3"):
        networks.waves("hidden", steps_of("hidden", 0, 2, 3), lengths)
