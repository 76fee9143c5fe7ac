"""The vocoder: against plain torch, exact lengths, rows alone and among others, how far a frame reaches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets import layers, vocos
from speechmill.actors.models.chattts.nets.vocos import UNUSED, Vocos
from speechmill.errors import ModelError

SEEDS = st.integers(0, 2**32)
few = settings(max_examples=min(25, settings.default.max_examples // 2))
HOP, BLOCKS = TINY.hop, TINY.vocos_blocks


@pytest.fixture(scope="module")
def state(tiny_folder: Path) -> dict[str, Tensor]:
    return Checkpoint.open(tiny_folder).load("vocos", "cpu", torch.float32)


@pytest.fixture(scope="module")
def vocoder(state: dict[str, Tensor]) -> Vocos:
    return Vocos(TINY, state)


def mels(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def described(state: dict[str, Tensor], mel: Tensor, *, is_centred: bool = True) -> Tensor:
    """Vocos on [batch, n_mels, frames] as a reader of its description would write it."""

    def normed(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    x = F.conv1d(mel, state["backbone.embed.weight"], state["backbone.embed.bias"], padding=3)
    x = normed(x.transpose(1, 2), "backbone.norm").transpose(1, 2)
    for block in range(BLOCKS):
        at = f"backbone.convnext.{block}"
        kernel = state[f"{at}.dwconv.weight"]
        y = F.conv1d(x, kernel, state[f"{at}.dwconv.bias"], padding=3, groups=len(kernel)).transpose(1, 2)
        y = F.gelu(F.linear(normed(y, f"{at}.norm"), state[f"{at}.pwconv1.weight"], state[f"{at}.pwconv1.bias"]))
        y = F.linear(y, state[f"{at}.pwconv2.weight"], state[f"{at}.pwconv2.bias"]) * state[f"{at}.gamma"]
        x = x + y.transpose(1, 2)
    x = normed(x.transpose(1, 2), "backbone.final_layer_norm")
    x = F.linear(x, state["head.out.weight"], state["head.out.bias"]).transpose(1, 2)
    log_magnitude, phase = x.chunk(2, 1)
    spectrum = log_magnitude.exp().clamp(max=100) * torch.exp(1j * phase)
    window = torch.hann_window(TINY.n_fft)
    if is_centred:
        return torch.istft(spectrum, TINY.n_fft, HOP, window=window, center=True)
    frames = torch.fft.irfft(spectrum[0].T) * window
    total, weight = (torch.zeros(len(frames) * HOP + TINY.n_fft - HOP) for _ in range(2))
    for number, frame in enumerate(frames):
        total[number * HOP : number * HOP + TINY.n_fft] += frame
        weight[number * HOP : number * HOP + TINY.n_fft] += window.square()
    cut = (TINY.n_fft - HOP) // 2
    return (total / weight)[cut:-cut]


@few
@given(SEEDS, st.integers(1, 3), st.integers(2, 14))
def test_waveforms_are_as_described(
    state: dict[str, Tensor], vocoder: Vocos, seed: int, batch: int, frames: int
) -> None:
    mel = mels(seed, batch, TINY.n_mels, frames)
    found = vocoder.waveforms(mel, torch.full((batch,), frames))
    expected = described(state, mel)
    assert found.dtype == torch.float32
    assert found.shape == (batch, (frames - 1) * HOP)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@few
@given(SEEDS, st.lists(st.integers(2, 12), min_size=1, max_size=4), st.integers(0, 2))
def test_a_row_among_others_is_the_row_alone(vocoder: Vocos, seed: int, lengths: list[int], more: int) -> None:
    mel = mels(seed, len(lengths), TINY.n_mels, max(lengths) + more)
    is_padding = torch.arange(mel.shape[2]) >= torch.tensor(lengths)[:, None]
    given_mel = mel.masked_fill(is_padding[:, None], torch.nan)
    waves = vocoder.waveforms(given_mel, torch.tensor(lengths))
    assert waves.shape == (len(lengths), (mel.shape[2] - 1) * HOP)
    for row, length in enumerate(lengths):
        alone = vocoder.waveforms(mel[row : row + 1, :, :length], torch.tensor([length]))
        samples = (length - 1) * HOP
        assert alone.shape[1] == samples
        torch.testing.assert_close(waves[row : row + 1, :samples], alone, rtol=0, atol=1e-5 * float(alone.abs().max()))
        assert not waves[row, samples:].any()
        assert given_mel[row, :, length:].isnan().all()  # what was given is not changed


def test_pieces_of_any_size_make_the_same_waveform(vocoder: Vocos, monkeypatch: pytest.MonkeyPatch) -> None:
    mel, lengths = mels(0, 3, TINY.n_mels, 12), torch.tensor([12, 7, 2])
    whole = vocoder.waveforms(mel, lengths)
    for size in (1, 7, 30):
        monkeypatch.setattr(layers, "SLICE", size)
        monkeypatch.setattr(vocos, "SLICE", size)
        torch.testing.assert_close(vocoder.waveforms(mel, lengths), whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_a_frame_reaches_context_frames_and_no_further(vocoder: Vocos) -> None:
    """Sample s belongs to frame s // hop, whose centre is the first of these samples."""
    around = vocoder.context_frames
    assert around == 3 + 3 * BLOCKS + 2
    frames, at = 3 * around, around + 3
    mel = mels(0, 1, TINY.n_mels, frames)
    changed = mel.clone()
    changed[:, :, at] += 10
    before, after = (vocoder.waveforms(given, torch.tensor([frames])) for given in (mel, changed))
    differs = (before != after)[0].nonzero().flatten() // HOP
    # The transform reaches two hops back and, its window's first sample being 0, not a sample beyond two hops on.
    assert (int(differs[0]), int(differs[-1])) == (at - around, at + around - 1)


def test_magnitudes_have_a_limit(state: dict[str, Tensor]) -> None:
    """Of an exponential that overflows, too."""
    bias = torch.pi * torch.arange(TINY.n_fft + 2)
    bias[TINY.num_bins :] -= bias[TINY.num_bins].clone()  # phases of a click in the middle of each frame
    loud: list[Tensor] = []
    for log_magnitude in (5.0, 50.0, 5_000.0):  # e ** 5 is above 100
        bias[: TINY.num_bins] = log_magnitude
        vocoder = Vocos(TINY, state | {"head.out.bias": bias, "head.out.weight": state["head.out.weight"] * 0})
        loud.append(vocoder.waveforms(mels(0, 1, TINY.n_mels, 5), torch.tensor([5])))
    # At the centre of a frame the squares of the windows that overlap there add up to 1.5.
    assert float(loud[0][0, 2 * HOP]) == pytest.approx(100 / 1.5, rel=1e-3)
    assert torch.equal(loud[0], loud[1])
    assert torch.equal(loud[0], loud[2])


def test_the_tensors_that_nothing_reads_may_be_left_out(state: dict[str, Tensor], vocoder: Vocos) -> None:
    less = {name: tensor for name, tensor in state.items() if name not in UNUSED}
    assert len(less) == len(state) - 2
    mel, lengths = mels(0, 2, TINY.n_mels, 6), torch.tensor([6, 3])
    assert torch.equal(Vocos(TINY, less).waveforms(mel, lengths), vocoder.waveforms(mel, lengths))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_waveforms_are_float32_whatever_the_weights_are_in(
    state: dict[str, Tensor], vocoder: Vocos, dtype: torch.dtype
) -> None:
    rounded = Vocos(TINY, {name: tensor.to(dtype) for name, tensor in state.items()})
    mel, lengths = mels(0, 2, TINY.n_mels, 6), torch.tensor([6, 3])
    waves, exact = rounded.waveforms(mel, lengths), vocoder.waveforms(mel, lengths)
    assert waves.dtype == torch.float32
    rms = float(exact.square().mean().sqrt())
    torch.testing.assert_close(waves, exact, rtol=0, atol=50 * torch.finfo(dtype).eps * rms)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 1], "row 1 of the batch has length 1; allowed: 2 to 5"),
        ([6, 5], "row 0 of the batch has length 6; allowed: 2 to 5"),
        ([5], "1 lengths for 2 rows"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(vocoder: Vocos, lengths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vocoder.waveforms(mels(0, 2, TINY.n_mels, 5), torch.tensor(lengths))


def test_a_window_of_another_transform_is_refused(state: dict[str, Tensor]) -> None:
    window = state["head.istft.window"]
    for other in (window.sqrt(), window[:-1]):
        with pytest.raises(ModelError, match=r"Vocos: head\.istft\.window is not that of this model"):
            Vocos(TINY, state | {"head.istft.window": other})


@few
@given(SEEDS, st.lists(st.integers(2, 12), min_size=1, max_size=3))
def test_with_the_same_length_each_frame_has_a_hop_and_the_middle_is_that_of_centred_frames(
    state: dict[str, Tensor], vocoder: Vocos, seed: int, frames: list[int]
) -> None:
    """Samples lie half a window minus half a hop earlier; so where both have a sample, it is the same."""
    mel, lengths = mels(seed, len(frames), TINY.n_mels, max(frames)), torch.tensor(frames)
    same, centred = Vocos(TINY, state, padding="same").waveforms(mel, lengths), vocoder.waveforms(mel, lengths)
    assert same.shape == (len(frames), max(frames) * HOP)
    shift = HOP // 2
    for row, length in enumerate(frames):
        torch.testing.assert_close(same[row, shift : length * HOP - shift], centred[row, : (length - 1) * HOP])
        assert same[row, length * HOP :].abs().sum() == 0


def test_with_the_same_length_edges_are_those_of_the_windowed_inverse_transform(state: dict[str, Tensor]) -> None:
    """One frame after the other, added and divided by the windows, a part of the window cut off at both ends."""
    mel = mels(1, 1, TINY.n_mels, 5)
    wave = Vocos(TINY, state, padding="same").waveforms(mel, torch.tensor([5]))[0]
    longer = described(state, mel, is_centred=False)
    torch.testing.assert_close(wave, longer, rtol=1e-4, atol=1e-5)
