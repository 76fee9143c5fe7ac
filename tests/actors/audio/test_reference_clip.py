"""Recordings of voices: any format is read, and what holds no voice is refused with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import WORDS, encoded, recording

from speechmill.actors.audio.reference_clip import decode_reference
from speechmill.errors import RowRejected

SECONDS = (0.1, 2.0)


@pytest.mark.parametrize(
    ("form", "subtype", "rate", "channels"),
    [
        ("WAV", "PCM_16", 22_050, 2),
        ("WAV", "FLOAT", 96_000, 1),
        ("FLAC", None, 44_100, 1),
        ("OGG", "VORBIS", 16_000, 1),
        ("MP3", None, 24_000, 2),
    ],
)
def test_a_clip_of_any_format_keeps_its_rate_and_is_one_channel(
    form: str, subtype: str | None, rate: int, channels: int
) -> None:
    wave = recording(3, rate=rate, channels=channels)
    found = decode_reference(encoded(wave, rate, form, subtype), f" {WORDS}\n", SECONDS)
    assert (found.sample_rate, found.text, found.samples.dtype) == (rate, WORDS, np.float32)
    assert found.samples.ndim == 1
    assert abs(found.duration_s - 0.5) < 0.06  # lossy formats pad
    mono = wave if channels == 1 else wave[:, 0]
    power = float(np.square(found.samples).mean())
    assert abs(power / float(np.square(mono).mean()) - 1) < 0.15


def test_the_digest_is_of_the_sound_alone() -> None:
    wave = np.round(recording(5) * 32767) / 32768  # the very samples, in both formats
    first = decode_reference(encoded(wave), WORDS, SECONDS)
    assert decode_reference(encoded(wave, form="FLAC"), "other words", SECONDS).digest == first.digest
    assert decode_reference(encoded(wave, rate=16_000), WORDS, SECONDS).digest != first.digest
    assert decode_reference(encoded(recording(6)), WORDS, SECONDS).digest != first.digest
    assert decode_reference(encoded(wave), "other words", SECONDS) != first


def damaged() -> bytes:
    wave = recording(1)
    wave[7] = np.nan
    return encoded(wave, subtype="FLOAT")


@pytest.mark.parametrize(
    ("data", "text", "why"),
    [
        (b"", WORDS, "cannot be read as audio"),
        (b"RIFF\0\0\0\0no audio at all", WORDS, "cannot be read as audio"),
        (encoded(recording(1, seconds=2.5)), WORDS, "too long: 2.50 s"),
        (encoded(recording(1, seconds=0.05)), WORDS, "too short: 0.05 s"),
        (encoded(np.zeros(8_000)), WORDS, "silent"),
        (encoded(recording(1) * 1e-4), WORDS, "silent"),
        (encoded(recording(1)), "  ", "no transcript"),
        (encoded(recording(1)), "x" * 3_000, "3,000 characters"),
        (encoded(recording(1, channels=12)), WORDS, "12 channels"),
        (damaged(), WORDS, "no finite numbers"),
    ],
)
def test_what_holds_no_voice_is_refused_with_its_reason(data: bytes, text: str, why: str) -> None:
    with pytest.raises(RowRejected, match=why):
        decode_reference(data, text, SECONDS)


def test_a_header_that_promises_more_than_there_is_makes_no_clip() -> None:
    whole = encoded(recording(1, seconds=1.0))
    with pytest.raises(RowRejected, match=r"too short|cannot be read|do not decode"):
        decode_reference(whole[:144], WORDS, SECONDS)
