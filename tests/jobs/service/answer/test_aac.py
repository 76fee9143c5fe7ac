"""AAC: the same bytes however the samples come, and the sound that was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speechmill.errors import SpecError
from speechmill.jobs.service.answer.aac import RATES, AacEncoder
from speechmill.jobs.service.answer.encoding import formats_at


@pytest.mark.parametrize("sample_rate", [8_000, 24_000, 44_100])
def test_aac_has_the_sound_however_it_was_split(read_aac: Any, sample_rate: int) -> None:
    assert sample_rate in RATES
    times = np.arange(sample_rate) / sample_rate
    pcm = (8_000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)

    def encoded(*cuts: int) -> bytes:
        encoder = AacEncoder(sample_rate)
        return b"".join(encoder.feed(part) for part in np.split(pcm, cuts)) + encoder.finish()

    whole = encoded()
    assert encoded(1, 1_000, 1_024, 5_001) == whole
    sound = read_aac(whole)
    assert len(pcm) <= len(sound) < len(pcm) + 4 * 1_024  # the encoder begins with silence and fills its last frame
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * sample_rate / len(sound) == pytest.approx(440, abs=2)


def test_aac_that_is_closed_in_the_middle_or_holds_nothing() -> None:
    encoder = AacEncoder(24_000)
    encoder.feed(np.zeros(5_000, np.int16))
    encoder.close()
    encoder.close()
    with pytest.raises(ValueError, match="has ended"):
        encoder.feed(np.zeros(1, np.int16))
    assert AacEncoder(24_000).finish() == b""


def test_aac_at_a_rate_that_it_cannot_hold_is_neither_made_nor_offered() -> None:
    with pytest.raises(SpecError, match="cannot hold audio of 24001 Hz"):
        AacEncoder(24_001)
    assert "aac" not in formats_at(24_001)


def test_without_pyav_aac_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert formats_at(24_000) == ("pcm", "wav", "flac", "opus", "mp3")
    with pytest.raises(SpecError, match=r"speechmill\[aac\]"):
        AacEncoder(24_000)
