"""The waveform: the same as the package makes of the same noise, whatever the batch and the chunks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hibari import dsp
from hypothesis import strategies as st

from speechmill.actors.models.hibari.row_synthesis import BINS, HOP, RowSynthesis, Spectrum
from speechmill.actors.models.hibari.synthesis import Synthesis
from speechmill.actors.models.noise import NoiseTable
from speechmill.actors.models.noise_table import table_starts

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**63 - 1)


class GivenNoise:
    """Stands where the package expects a numpy generator, and gives it our noise, complex64 [frames, bins]."""

    def __init__(self, noise: np.ndarray) -> None:
        self._noise = noise

    def standard_normal(self, shape: tuple[int, int], dtype: type) -> np.ndarray:
        drawn = np.ascontiguousarray(self._noise.T).view(np.float32)
        assert drawn.shape == shape and drawn.dtype == dtype
        return drawn


def frames_like_speech(num_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A spectrum [frames, 5 * bins] and an f0 [frames] that is voiced, unvoiced and voiced again."""
    rng = np.random.default_rng(seed)
    spectrum = rng.standard_normal((num_frames, 5, BINS)).astype(np.float32)
    spectrum[:, [0, 2, 3]] -= np.array([2, 4, 4], np.float32)[:, None]
    f0 = 180 + 60 * np.sin(np.arange(num_frames) / 9) + rng.standard_normal(num_frames)
    f0[num_frames // 3 : num_frames // 2] = -3
    return spectrum.reshape(num_frames, -1), f0.astype(np.float32)


def synthesise(rows: list[tuple[np.ndarray, np.ndarray]], seeds: list[int], chunk: int) -> list[np.ndarray]:
    counts = [len(f0) for _, f0 in rows]
    spectrum, f0 = torch.full((len(rows), max(counts), 5 * BINS), 2.0), torch.full((len(rows), max(counts)), 99.0)
    for i, (row, curve) in enumerate(rows):
        spectrum[i, : len(curve)], f0[i, : len(curve)] = torch.from_numpy(row), torch.from_numpy(curve)
    starts = torch.from_numpy(table_starts(seeds, [0] * len(seeds), max(counts)))
    waves = Synthesis(CPU, chunk).waveforms(lambda a, b: spectrum[:, a:b], f0, torch.tensor(counts), starts)
    return [wave[: count * HOP].numpy() for wave, count in zip(waves, counts, strict=True)]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@pytest.mark.parametrize("num_frames", [6, 7, 131, 420])
def test_the_package_makes_the_same_waveform_of_the_same_noise(num_frames: int) -> None:
    """Measured on speech: 1e-5 to 2e-4 apart, where a rounding moves a sample over the pulse formula's pole."""
    spectrum, f0 = frames_like_speech(num_frames, seed=3)
    noise = NoiseTable(BINS, CPU).take(torch.from_numpy(table_starts([11], [0], num_frames)))[0].numpy()
    parts = [np.ascontiguousarray(part) for part in np.split(spectrum.T, 5)]
    expected = dsp.synth(*parts, f0, GivenNoise(noise))
    (found,) = synthesise([(spectrum, f0)], [11], chunk=128)
    assert found.dtype == np.float32 and found.shape == expected.shape
    assert rms(found - expected) < 5e-4 * rms(expected)


@pytest.mark.parametrize("num_frames", [6, 131, 420])
def test_numpy_makes_the_same_of_a_row_as_torch(num_frames: int) -> None:
    """Measured on speech: 2e-7 of the level apart, so 2 of 10,000 samples of 16 bits differ, by one step."""
    spectrum, f0 = frames_like_speech(num_frames, seed=7)
    (expected,) = synthesise([(spectrum, f0)], [13], chunk=128)
    (starts,) = table_starts([13], [0], num_frames)
    for chunk in (7, 128):
        found = RowSynthesis(chunk).waveform(Spectrum.of(spectrum), f0, starts)
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert rms(found - expected) < 1e-5 * rms(expected)


def heard(spectrum: Spectrum, f0: np.ndarray) -> Spectrum:
    """With no harmonic part where the window of a frame meets no pulse."""
    frames = np.array([k for k in range(len(f0)) if (f0[max(k - 3, 0) : k + 3] > 40).any()], np.int64)
    return replace(spectrum, pulse_frames=frames, harmonic=spectrum.harmonic[frames], turn=spectrum.turn[frames])


def test_frames_without_pulses_need_no_harmonic_part() -> None:
    spectrum, f0 = frames_like_speech(90, seed=9)
    (starts,) = table_starts([13], [0], 90)
    whole = Spectrum.of(spectrum)
    part = heard(whole, f0)
    assert 50 < len(part.pulse_frames) < 90
    found = RowSynthesis(16).waveform(part, f0, starts)
    expected = RowSynthesis(16).waveform(whole, f0, starts)
    assert rms(found - expected) < 1e-6 * rms(expected)


@pytest.mark.parametrize("f0", [200.0, 39.9, -3.0])
def test_frames_without_pulses_are_those_of_the_whole_formula(f0: float) -> None:
    """A row may be voiced everywhere or nowhere; what is left out there is exactly 0."""
    spectrum, _ = frames_like_speech(40, seed=5)
    curve = np.full(40, f0, np.float32)
    (expected,) = synthesise([(spectrum, curve)], [17], chunk=16)
    (starts,) = table_starts([17], [0], 40)
    found = RowSynthesis(16).waveform(heard(Spectrum.of(spectrum), curve), curve, starts)
    assert rms(found - expected) < 1e-5 * rms(expected)
    assert RowSynthesis(16).pulses(curve).any() == (f0 > 40)


@pytest.mark.parametrize("chunk", [1, 7, 128, 100_000])
def test_the_chunk_does_not_matter(chunk: int) -> None:
    row = frames_like_speech(130, seed=5)
    (expected,) = synthesise([row], [1], chunk=64)
    (found,) = synthesise([row], [1], chunk)
    assert rms(found - expected) < 1e-6 * rms(expected)


def test_batch_mates_do_not_matter() -> None:
    rows = [frames_like_speech(count, seed) for seed, count in enumerate((90, 6, 131, 40))]
    seeds = [1, 2, 3, 4]
    together = synthesise(rows, seeds, chunk=128)
    backwards = synthesise(rows[::-1], seeds[::-1], chunk=50)[::-1]
    for row, seed, *found in zip(rows, seeds, together, backwards, strict=True):
        (alone,) = synthesise([row], [seed], chunk=128)
        for other in found:
            assert rms(other - alone) < 1e-6 * rms(alone)


def test_silence_below_the_voiced_threshold_and_full_harmonics_above() -> None:
    synthesis = Synthesis(CPU, 128)
    assert not synthesis.pulses(torch.full((1, 8), 39.9), torch.tensor([8])).any()
    steady = synthesis.pulses(torch.full((1, 80), 100.0), torch.tensor([80]))[0].numpy()
    spectrum = np.abs(np.fft.rfft(steady)) * 2 / len(steady)  # one second: a bin per Hz
    harmonics = spectrum[100:11_001:100]
    assert len(harmonics) == 110
    assert harmonics == pytest.approx(np.ones(110), abs=0.1)  # the package's own treatment of the pole adds 0.07
