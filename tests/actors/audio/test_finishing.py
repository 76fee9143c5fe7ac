"""Sound as it is asked for: nothing of the speech is cut, rates and loudness are those of independent references."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from speechmill.actors.audio.finishing import (
    MAX_LIMITING_DB,
    Finishing,
    finish,
    loudness_lufs,
    sound_bounds,
    true_peak_dbfs,
)

RATE = 24_000
Samples = NDArray[np.float32]


def syllables(seed: int, seconds: float = 1.5, rate: int = RATE) -> Samples:
    """Bursts of a buzz with noise, of another pitch, level and rhythm for each seed: much like speech in level."""
    draw = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    pitch = draw.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * 3 * times))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12)) + 0.05 * draw.standard_normal(len(times))
    rhythm = np.clip(np.sin(2 * np.pi * draw.uniform(2, 5) * times + draw.uniform(0, 6)), 0, None)
    return (draw.uniform(0.02, 0.3) * buzz * rhythm).astype(np.float32)


def meter(rate: int) -> Any:
    """An independent meter of loudness."""
    import pyloudnorm  # not while tests are collected: it takes two seconds

    return pyloudnorm.Meter(rate)


def quiet(seconds: float, rate: int = RATE) -> Samples:
    """A vocoder's silence: no zeros, 70 dB and more below speech."""
    return (np.random.default_rng(1).standard_normal(round(seconds * rate)) * 3e-6).astype(np.float32)


@pytest.mark.parametrize("below_db", [20, 35, 50, 55])
@pytest.mark.parametrize("pad_s", [0.0, 0.1])
def test_a_quiet_onset_and_a_quiet_end_are_never_cut(below_db: float, pad_s: float) -> None:
    """The f of "fifty" may be 50 dB below the vowel that follows."""
    speech = syllables(1)
    frame = RATE // 100
    loudest = np.sqrt(np.square(speech[: len(speech) // frame * frame]).reshape(-1, frame).mean(axis=1).max())
    noise = np.random.default_rng(2).standard_normal(RATE // 10)
    breath = (noise / np.sqrt(np.square(noise).mean()) * loudest * 10 ** (-below_db / 20)).astype(np.float32)
    clip = np.concatenate([quiet(0.4), breath, speech, breath, quiet(0.4)])
    first, end = sound_bounds(clip, RATE, pad_s)
    sound_first, sound_end = round(0.4 * RATE), len(clip) - round(0.4 * RATE)
    assert sound_first - (pad_s + 0.01) * RATE <= first <= sound_first - pad_s * RATE
    assert sound_end + pad_s * RATE <= end <= sound_end + (pad_s + 0.01) * RATE


def test_silence_that_is_shorter_than_the_pads_stays_and_none_is_added() -> None:
    clip = np.concatenate([quiet(0.05), syllables(3), quiet(0.02)])
    assert sound_bounds(clip, RATE, 0.5) == (0, len(clip))


@pytest.mark.parametrize("clip", [quiet(0)[:0], np.zeros(500, np.float32), np.full(500, np.nan, np.float32)])
def test_a_clip_without_sound_stays_as_it_is(clip: Samples) -> None:
    finished = finish(clip, RATE, Finishing(None, -23.0, 0.1))
    assert np.array_equal(finished.samples, clip, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_resampled_speech_is_that_of_a_reference_resampler(rate: int) -> None:
    """scipy's, on sound in the band that both hold: one thousandth of its level is the most that they differ by."""
    band = scipy.signal.firwin(401, 0.8 * min(rate, RATE) / 2, fs=RATE)
    clip = scipy.signal.fftconvolve(syllables(4), band, "same").astype(np.float32)
    finished = finish(clip, RATE, Finishing(sample_rate=rate))
    common = np.gcd(rate, RATE)
    up, down = rate // common, RATE // common
    taps = scipy.signal.firwin(2 * 200 * max(up, down) + 1, 0.95 / max(up, down), window=("kaiser", 12.0))
    expected = scipy.signal.resample_poly(clip, up, down, window=taps)
    assert finished.sample_rate == rate
    assert len(finished.samples) == -(-len(clip) * rate // RATE)
    error = finished.samples[500:-500] - expected[: len(finished.samples)][500:-500]
    assert np.sqrt(np.square(error).mean()) < 1e-3 * np.sqrt(np.square(expected).mean())


def test_resampling_shifts_nothing_and_lets_nothing_alias() -> None:
    """A tone keeps its phase; one above the new band is gone."""
    times, new_times = np.arange(RATE) / RATE, np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * pitch * times).astype(np.float32) for pitch in (1_000, 9_500))
    kept = finish(low, RATE, Finishing(sample_rate=16_000)).samples
    assert np.abs(kept - np.sin(2 * np.pi * 1_000 * new_times))[500:-500].max() < 1e-3
    assert np.abs(finish(high, RATE, Finishing(sample_rate=16_000)).samples)[500:-500].max() < 1e-3


def test_a_full_scale_tone_has_the_loudness_that_the_recommendation_gives_it() -> None:
    """-3.01 LUFS for 997 Hz, also where the filter's output exceeds 1."""
    times = np.arange(5 * 48_000) / 48_000
    tone = np.sin(2 * np.pi * 997 * times).astype(np.float32)
    assert loudness_lufs(tone, 48_000) == pytest.approx(-3.01, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("num_clips", [50, pytest.param(200, marks=pytest.mark.soak)])
def test_clips_have_the_loudness_asked_for_and_no_true_peak_above_the_limit(num_clips: int) -> None:
    """By another meter (pyloudnorm), and another interpolation of the peaks (scipy's, by 8).

    On clips under a second the meters themselves may differ by more: pyloudnorm counts a last block that is not whole.
    """
    target = -21.0
    meters = {rate: meter(rate) for rate in (RATE, 22_050)}
    for seed in range(num_clips):
        rate = (RATE, 22_050)[seed % 2]
        clip = syllables(seed, seconds=0.6 + seed % 5 / 8, rate=rate)
        made = finish(clip, rate, Finishing(loudness_lufs=target)).samples
        assert abs(meters[rate].integrated_loudness(made.astype(np.float64)) - target) < 0.5
        assert 20 * np.log10(np.abs(scipy.signal.resample_poly(made, 8, 1)).max()) < -1


@pytest.mark.slow
@pytest.mark.parametrize("peak_db", [3.0, 5.0])
def test_single_peaks_are_lowered_so_that_the_rest_is_as_loud_as_asked_for(peak_db: float) -> None:
    """Where no peak is near, the clip is only made louder."""
    clip = syllables(11, seconds=3.0)
    clip *= 0.3 / np.abs(clip).max()
    at = int(np.abs(clip[RATE : 2 * RATE]).argmax()) + RATE
    clip[at - 12 : at + 12] *= 10 ** (peak_db / 20)
    target = loudness_lufs(clip, RATE) - 2.5 - true_peak_dbfs(clip, RATE) + peak_db
    made = finish(clip, RATE, Finishing(loudness_lufs=target)).samples
    assert abs(meter(RATE).integrated_loudness(made.astype(np.float64)) - target) < 0.5
    assert 20 * np.log10(np.abs(scipy.signal.resample_poly(made, 8, 1)).max()) < -1
    far = np.flatnonzero((np.abs(np.arange(len(clip)) - at) > RATE // 100) & (np.abs(clip) > 0.01))
    ratios = (made[far] / clip[far])[np.abs(clip[far]) < 0.2]
    assert np.ptp(ratios) < 0.01 * ratios.mean()


def test_a_clip_that_is_hardly_more_than_a_peak_stays_quieter() -> None:
    click = np.zeros(RATE, np.float32)
    click[1_000:1_010] = 0.5
    click += 0.001 * np.sin(np.arange(RATE)).astype(np.float32)
    made = finish(click, RATE, Finishing(loudness_lufs=-10.0)).samples
    assert -1.3 < true_peak_dbfs(made, RATE) < -1.0
    assert loudness_lufs(made, RATE) < -15
    gain_db = 20 * np.log10(np.median(made[12_000:] / click[12_000:]))
    assert gain_db == pytest.approx(-1.2 - true_peak_dbfs(click, RATE) + MAX_LIMITING_DB, abs=0.3)


@pytest.mark.slow
def test_a_clip_shorter_than_a_block_is_levelled_too() -> None:
    clip = syllables(7, seconds=2.0)
    loudest = clip[: RATE // 4]
    made = finish(loudest, RATE, Finishing(loudness_lufs=-23.0)).samples
    again = np.tile(made, 8).astype(np.float64)
    assert abs(meter(RATE).integrated_loudness(again) + 23) < 0.5


def test_the_order_is_trim_resample_level_and_the_cut_is_told() -> None:
    clip = np.concatenate([quiet(0.5), syllables(8), quiet(0.5)])
    finished = finish(clip, RATE, Finishing(16_000, -23.0, 0.05))
    assert finished.sample_rate == 16_000
    first, end = sound_bounds(clip, RATE, 0.05)
    assert finished.cut_s == first / RATE > 0.4
    assert len(finished.samples) == -(-(end - first) * 2 // 3)
    assert abs(loudness_lufs(finished.samples, 16_000) + 23) < 0.1


def test_nothing_asked_for_changes_nothing() -> None:
    clip = syllables(9)
    assert finish(clip, RATE, Finishing()).samples is clip


def test_the_same_clip_is_finished_alike_each_time() -> None:
    """What it is beside, and how often it was done, does not matter."""
    how = Finishing(22_050, -20.0, 0.1)
    made = [finish(syllables(seed), RATE, how).samples for seed in (5, 6, 5, 5)]
    assert all(np.array_equal(made[0], again) for again in made[2:])
    assert not any(np.array_equal(one, other) for one, other in pairwise(made[:3]))
