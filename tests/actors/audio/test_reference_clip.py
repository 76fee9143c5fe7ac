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


@pytest.mark.parametrize(("rate", "kept"), [(22_051, 22_050), (11_025, 11_025), (176_400, 176_400), (191_999, 192_000)])
def test_a_rate_that_is_costly_to_resample_becomes_its_neighbour(rate: int, kept: int) -> None:
    """The table of a resampler from 22,051 to 24,000 Hz takes gigabytes: one clip could end a service."""
    wave = recording(4, rate=24_000)
    assert decode_reference(encoded(wave, rate), WORDS, (0.01, 2.0)).sample_rate == kept


def test_the_same_bytes_are_refused_with_the_same_words() -> None:
    """The decoder's own message has the address of an object, another one in each run."""
    with pytest.raises(RowRejected) as refused:
        decode_reference(b"no audio", WORDS, SECONDS)
    assert "0x" not in str(refused.value)


def test_a_header_that_does_not_know_the_length_is_named() -> None:
    piped = bytearray(encoded(recording(1), form="FLAC"))
    piped[21] &= 0xF0
    piped[22:26] = bytes(4)
    with pytest.raises(RowRejected, match="does not say how long"):
        decode_reference(bytes(piped), WORDS, SECONDS)
