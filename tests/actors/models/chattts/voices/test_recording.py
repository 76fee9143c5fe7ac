"""Recordings of any rate and number of channels become one channel at the model's rate, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmill.actors.models.chattts.voices.recording import LONGEST_S, read_recording
from speechmill.errors import ModelError

RATE = 24_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


def tone(hz: float, rate: int, duration_s: float) -> NDArray[np.float32]:
    """Sine of half scale, float32 [samples]."""
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * duration_s)) / rate)).astype(np.float32)


def written(folder: Path, samples: NDArray[np.float32], rate: int, kind: str = "wav", subtype: str = "FLOAT") -> Path:
    """A file of samples [samples] or [samples, channels]."""
    file = folder / f"recording.{kind}"
    soundfile.write(file, samples, rate, subtype=subtype)
    return file


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 2_000))
def test_channels_are_averaged_and_nothing_else_changes(folder: Path, seed: int, channels: int, samples: int) -> None:
    given_samples = np.random.default_rng(seed).uniform(-1, 1, (samples, channels)).astype(np.float32)
    found = read_recording(written(folder, given_samples, RATE), RATE)
    assert found.dtype == np.float32
    assert found.shape == (samples,)
    np.testing.assert_allclose(found, given_samples.mean(1), rtol=0, atol=1e-6)


@settings(max_examples=min(15, settings.default.max_examples // 2))
@given(
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]),
    st.integers(1, 2),
    st.floats(100, 2_500),
    st.floats(0.1, 0.5),
)
def test_a_tone_of_any_rate_is_that_tone_at_the_models_rate(
    folder: Path, rate: int, channels: int, hz: float, duration_s: float
) -> None:
    sounded = tone(hz, rate, duration_s)
    found = read_recording(written(folder, np.stack([sounded] * channels, 1), rate), RATE)
    assert found.dtype == np.float32
    assert len(found) == -(-len(sounded) * RATE // rate)
    inside = slice(500, -500)  # at its ends a tone is not one
    np.testing.assert_allclose(found[inside], tone(hz, RATE, 1)[: len(found)][inside], rtol=0, atol=0.01)


def test_what_the_models_rate_cannot_hold_is_not_folded_into_it(folder: Path) -> None:
    found = read_recording(written(folder, tone(17_000, 48_000, 0.5), 48_000), RATE)
    assert np.abs(found[500:-500]).max() < 0.01


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [("wav", "PCM_16", 1e-4), ("wav", "PCM_24", 1e-6), ("flac", "PCM_16", 1e-4), ("ogg", "VORBIS", 0.05)],
)
def test_formats_are_read_at_full_scale_1(folder: Path, kind: str, subtype: str, tolerance: float) -> None:
    sounded = tone(440, RATE, 0.5)
    found = read_recording(written(folder, sounded, RATE, kind, subtype), RATE)
    assert len(found) == len(sounded)
    np.testing.assert_allclose(found, sounded, rtol=0, atol=tolerance)


def test_a_recording_may_be_30_seconds_long_and_no_longer(folder: Path) -> None:
    assert LONGEST_S == 30
    silence = np.zeros(int(LONGEST_S * 8_000), np.float32)
    assert len(read_recording(written(folder, silence, 8_000), RATE)) == LONGEST_S * RATE
    longer = written(folder, np.zeros(31 * 8_000, np.float32), 8_000)
    with pytest.raises(ModelError, match=r"recording\.wav is 31 s long; a voice's sample may be 30 s"):
        read_recording(longer, RATE)


def test_what_is_no_recording_is_named(folder: Path) -> None:
    text = folder / "text.wav"
    text.write_text("no sound")
    for file in (text, folder / "missing.wav", folder):
        with pytest.raises(ModelError) as caught:
            read_recording(file, RATE)
        assert str(caught.value).startswith(f"{file} cannot be read as audio: ")
