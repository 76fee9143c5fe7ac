"""Log-mel spectrograms: those of torchaudio, rows alone and among others, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speechmill.actors.models.chattts.checkpoint.layout import FULL, SAMPLE_RATE, TINY
from speechmill.actors.models.chattts.checkpoint.weights import Checkpoint
from speechmill.actors.models.chattts.nets.mel import PREFIX, MelSpectrogram, check_constant, hann, mel_bands
from speechmill.errors import ModelError, RowRejected

LENGTHS = st.lists(st.integers(513, 3_000), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=min(25, settings.default.max_examples // 2))


@pytest.fixture(scope="module")
def state(tiny_folder: Path) -> dict[str, Tensor]:
    return Checkpoint.open(tiny_folder).load("dvae", "cpu", torch.float32)


@pytest.fixture(scope="module")
def transform(state: dict[str, Tensor]) -> MelSpectrogram:
    return MelSpectrogram(TINY, state)


@pytest.fixture(scope="module")
def reference() -> torchaudio.transforms.MelSpectrogram:
    return torchaudio.transforms.MelSpectrogram(
        sample_rate=SAMPLE_RATE, n_fft=TINY.n_fft, hop_length=TINY.hop, n_mels=TINY.n_mels, power=1, center=True
    )


def noise(seed: int, *shape: int) -> Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@few
@given(SEEDS, st.integers(513, 4_000), st.sampled_from([1.0, 1e-3, 0.0]))
def test_a_row_alone_is_that_of_torchaudio(
    transform: MelSpectrogram,
    reference: torchaudio.transforms.MelSpectrogram,
    seed: int,
    length: int,
    loudness: float,
) -> None:
    wave = loudness * noise(seed, 1, length)
    mel, frames = transform(wave, torch.tensor([length]))
    assert mel.dtype == torch.float32
    assert mel.shape == (1, TINY.n_mels, 1 + length // TINY.hop)
    assert frames.tolist() == [mel.shape[2]]
    torch.testing.assert_close(mel, reference(wave).clamp(min=1e-5).log(), rtol=0, atol=1e-3)


@few
@given(SEEDS, LENGTHS, st.integers(0, 600))
def test_a_row_among_others_is_the_row_alone(
    transform: MelSpectrogram, seed: int, lengths: list[int], more: int
) -> None:
    waves = noise(seed, len(lengths), max(lengths) + more)
    is_padding = torch.arange(waves.shape[1]) >= torch.tensor(lengths)[:, None]
    mel, frames = transform(waves.masked_fill(is_padding, torch.nan), torch.tensor(lengths))
    assert frames.tolist() == [1 + length // TINY.hop for length in lengths]
    for row, length in enumerate(lengths):
        alone, count = transform(waves[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(mel[row : row + 1, :, : int(count)], alone, rtol=0, atol=1e-5)
        assert not mel[row, :, int(count) :].any()


def test_silence_is_as_quiet_as_can_be(transform: MelSpectrogram) -> None:
    mel, _ = transform(torch.zeros(1, 2_000), torch.tensor([2_000]))
    torch.testing.assert_close(mel, torch.full_like(mel, 1e-5).log())


# ------------------------------------------------------------------ constants


def test_the_constants_are_those_of_torchaudio() -> None:
    bands = torchaudio.functional.melscale_fbanks(FULL.num_bins, 0.0, SAMPLE_RATE / 2, FULL.n_mels, SAMPLE_RATE)
    torch.testing.assert_close(mel_bands(FULL), bands, rtol=0, atol=1e-4)
    torch.testing.assert_close(hann(FULL.n_fft), torch.hann_window(FULL.n_fft), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["spectrogram.window", "mel_scale.fb"])
def test_constants_of_another_transform_are_refused(state: dict[str, Tensor], name: str) -> None:
    key = f"{PREFIX}.{name}"
    for other in (state[key] * 1.01, state[key][:-1], torch.zeros_like(state[key]), state[key] * torch.nan):
        with pytest.raises(ModelError, match=f"DVAE: {key} is not that of this model"):
            MelSpectrogram(TINY, state | {key: other})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_constants_may_have_been_rounded_and_change_nothing(state: dict[str, Tensor], dtype: torch.dtype) -> None:
    rounded = {name: tensor.to(dtype) for name, tensor in state.items()}
    wave, length = noise(0, 1, 2_000), torch.tensor([2_000])
    assert torch.equal(MelSpectrogram(TINY, rounded)(wave, length)[0], MelSpectrogram(TINY, state)(wave, length)[0])


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="chattts: its window is not that of this model; use the published weights"):
        check_constant(torch.ones(3), torch.zeros(3), "its window")


# ------------------------------------------------------------------ errors


def test_a_row_that_cannot_be_mirrored_is_refused(transform: MelSpectrogram) -> None:
    assert transform.least_samples == 513
    with pytest.raises(RowRejected, match=r"has 512 samples at 24000 Hz \(row 1 of its batch\); give at least 513"):
        transform(noise(0, 2, 600), torch.tensor([600, 512]))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_sample_that_is_not_finite_is_refused(transform: MelSpectrogram, value: float) -> None:
    waves = noise(0, 2, 700)
    waves[1, 599] = value
    with pytest.raises(RowRejected, match=r"not finite \(row 1 of its batch\)"):
        transform(waves, torch.tensor([700, 600]))
    transform(waves, torch.tensor([700, 599]))  # in padding it may be


@pytest.mark.parametrize("lengths", [[601, 600], [600], [600, 600, 600], []])
def test_lengths_that_do_not_fit_are_refused(transform: MelSpectrogram, lengths: list[int]) -> None:
    with pytest.raises(ValueError, match=r"lengths \[.*\] for waves of shape \[2, 600\]"):
        transform(noise(0, 2, 600), torch.tensor(lengths, dtype=torch.long))
