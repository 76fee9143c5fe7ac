"""Audio: rounding, hashes, encodings and joining."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechmill.actors.audio.encoding import FORMATS, decode, encode, format_of, join, pcm16, pcm_sha256, sha256
from speechmill.errors import RowRejected, SpecError

LOSSLESS = [name for name, chosen in FORMATS.items() if chosen.is_lossless]
LOSSY = [name for name, chosen in FORMATS.items() if not chosen.is_lossless]
int16 = st.integers(-32767, 32767)


def tone(num_samples: int, sample_rate: int = 24000) -> NDArray[np.float32]:
    times = np.arange(num_samples) / sample_rate
    return (0.5 * np.sin(2 * np.pi * 220 * times) + 0.2 * np.sin(2 * np.pi * 517 * times)).astype(np.float32)


@settings(deadline=None)
@given(st.lists(int16, min_size=1, max_size=200))
def test_sixteen_bit_samples_survive_float32(values: list[int]) -> None:
    pcm = np.array(values, dtype=np.int16)
    assert np.array_equal(pcm16(pcm.astype(np.float32) / np.float32(32767)), pcm)


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_pcm16_is_within_half_a_step_of_the_clipped_sample(values: list[float]) -> None:
    pcm = pcm16(np.array(values, dtype=np.float32))
    assert np.abs(pcm - np.clip(values, -1, 1) * 32767).max(initial=0) <= 0.5 + 1e-2


def test_pcm16_rounds_half_to_even_and_clips() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5], dtype=np.float64) / 32767
    exact = pcm16(halves)  # pyright: ignore[reportArgumentType]
    assert exact.tolist() == [0, 2, 2, 0, -2]
    assert pcm16(np.array([2.0, -2.0, 1.0], dtype=np.float32)).tolist() == [32767, -32767, 32767]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_reject_the_row(bad: float) -> None:
    with pytest.raises(RowRejected, match="1 of 3 samples"):
        pcm16(np.array([0.0, bad, 0.1], dtype=np.float32))


def test_two_dimensional_samples_reject_the_row() -> None:
    with pytest.raises(RowRejected, match=r"\(1, 3\)"):
        pcm16(np.zeros((1, 3), dtype=np.float32))


def test_hashes_are_of_known_bytes() -> None:
    pcm = np.array([1, -1], dtype=np.int16)
    assert pcm_sha256(pcm) == pcm_sha256(pcm.astype(">i2")) == hashlib.sha256(b"\x01\x00\xff\xff").hexdigest()
    assert sha256(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("name", LOSSLESS)
@settings(deadline=None, max_examples=min(50, settings.default.max_examples))
@given(values=st.lists(int16, min_size=1, max_size=300), sample_rate=st.sampled_from([8000, 22050, 24000, 44100]))
def test_lossless_formats_give_the_same_samples_back(name: str, values: list[int], sample_rate: int) -> None:
    pcm = np.array(values, dtype=np.int16)
    samples, rate = decode(encode(pcm, sample_rate, name))
    assert samples.dtype == np.float32
    assert rate == sample_rate
    assert np.array_equal(pcm16(samples), pcm)


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("num_samples", [1, 7, 480, 4799, 24001])
def test_every_format_keeps_length_and_rate_at_all_of_its_rates(name: str, num_samples: int) -> None:
    for sample_rate in FORMATS[name].sample_rates or (8000, 11025, 24000, 48000):
        samples, rate = decode(encode(pcm16(tone(num_samples)), sample_rate, name))
        assert (len(samples), rate) == (num_samples, sample_rate)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_sound_alike(name: str) -> None:
    samples = tone(24000)
    decoded, _ = decode(encode(pcm16(samples), 24000, name))
    assert np.corrcoef(samples, decoded)[0, 1] > 0.95


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_same_samples_give_the_same_bytes(name: str) -> None:
    """Ogg streams carry a random serial number, which made two encodings of one clip differ."""
    pcm = pcm16(tone(30000))
    assert len({encode(pcm, 24000, name) for _ in range(3)}) == 1


@pytest.mark.parametrize("name", LOSSY)
def test_a_rate_that_the_format_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"96000 Hz .*24000"):
        encode(pcm16(tone(100)), 96000, name)


@pytest.mark.parametrize("sample_rate", [0, -8000])
def test_no_format_holds_an_impossible_rate(sample_rate: int) -> None:
    with pytest.raises(SpecError, match="any positive rate"):
        format_of("wav").check(sample_rate)


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="wav, flac, opus, mp3"):
        format_of("aac")


@pytest.mark.parametrize("name", list(FORMATS))
def test_no_samples_reject_the_row(name: str) -> None:
    with pytest.raises(RowRejected, match="0 samples"):
        encode(np.zeros(0, dtype=np.int16), 24000, name)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_audio_are_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(RowRejected, match="decode as audio"):
        decode(data)


@pytest.mark.parametrize("name", list(FORMATS))
def test_damaged_audio_decodes_or_is_refused(name: str) -> None:
    whole = encode(pcm16(tone(12000)), 24000, name)
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        for damaged in (whole[:position], whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :]):
            try:
                samples, _ = decode(damaged, 20000)
            except RowRejected:
                continue
            assert samples.ndim == 1
            assert len(samples) <= 20000


def test_more_samples_than_expected_are_refused() -> None:
    data = encode(pcm16(tone(5000)), 24000, "flac")
    assert len(decode(data, 5000)[0]) == 5000
    with pytest.raises(RowRejected, match="5000 samples where at most 4999"):
        decode(data, 4999)


def test_channels_are_averaged() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.array([[0.5, 0.25], [-0.5, 0.0]]), 8000, format="WAV", subtype="FLOAT")
    samples, _ = decode(buffer.getvalue())
    assert samples.tolist() == [0.375, -0.25]


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 30))
def test_joining_puts_silence_between_pieces_only(lengths: list[int], num_silent: int) -> None:
    pieces = [np.full(length, index + 1, dtype=np.float32) for index, length in enumerate(lengths)]
    pauses_s = [num_silent / 1000 if index else 0.0 for index in range(len(pieces))]
    joined = join(pieces, 1000, pauses_s)
    assert joined.dtype == np.float32
    assert len(joined) == sum(lengths) + num_silent * max(0, len(lengths) - 1)
    assert np.array_equal(joined[joined != 0], np.concatenate([np.zeros(0, np.float32), *pieces]))
    assert not lengths or not lengths[-1] or joined[-1] == len(lengths)


@pytest.mark.parametrize("pause_s", [-0.1, float("nan"), float("inf")])
def test_an_impossible_pause_is_refused(pause_s: float) -> None:
    with pytest.raises(SpecError, match="pause"):
        join([tone(3)], 24000, [pause_s])


@pytest.mark.parametrize("num_samples", [1, 2, 999, 24_000])
@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 192_000])
def test_a_wav_file_has_the_bytes_that_libsndfile_writes(num_samples: int, rate: int) -> None:
    """It is written here, because libsndfile's way through Python's file objects costs a third of a row's time."""
    pcm = np.random.default_rng(num_samples).integers(-32_768, 32_768, num_samples).astype(np.int16)
    theirs = io.BytesIO()
    soundfile.write(theirs, pcm, rate, "PCM_16", format="WAV")
    assert encode(pcm, rate, "wav") == theirs.getvalue()
