"""Answers of servers as samples: whole ones of three formats, open ones, and every cut of one is refused."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from speechmill.actors.models.endpoint.answer import BadAudio, decode_answer

PCM = (8_000 * np.sin(np.arange(900) / 9)).astype("<i2")
WAVE = PCM / np.float32(32_767)


def encoded(audio_format: str, subtype: str = "PCM_16", rate: int = 24_000, pcm: np.ndarray = PCM) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate, format=audio_format, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_wav_of_any_kind_is_read(subtype: str) -> None:
    decoded = decode_answer(encoded("WAV", subtype, pcm=WAVE if subtype == "FLOAT" else PCM), "wav")
    assert decoded.sample_rate == 24_000
    np.testing.assert_allclose(decoded.samples, WAVE, atol=1e-4)


def test_flac_and_pcm_are_read() -> None:
    assert np.array_equal(decode_answer(encoded("FLAC"), "flac").samples, WAVE)
    plain = decode_answer(PCM.tobytes(), "pcm")
    assert (plain.sample_rate, np.array_equal(plain.samples, WAVE)) == (None, True)


def test_two_channels_become_one() -> None:
    decoded = decode_answer(encoded("WAV", pcm=np.stack((PCM, PCM), 1)), "wav")
    np.testing.assert_allclose(decoded.samples, WAVE, atol=1e-6)


@pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF - 36])
def test_wav_whose_length_was_not_known_is_read_to_its_end(size: int) -> None:
    data = bytearray(encoded("WAV"))
    at = data.index(b"data")
    struct.pack_into("<I", data, 4, size)
    struct.pack_into("<I", data, at + 4, size)
    assert np.array_equal(decode_answer(bytes(data), "wav").samples, WAVE)


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
def test_every_cut_of_a_file_is_refused(audio_format: str) -> None:
    data = encoded(audio_format.upper())
    for end in {*range(0, len(data), 37), len(data) - 1}:
        with pytest.raises(BadAudio):
            decode_answer(data[:end], audio_format)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "audio_format", "message"),
    [
        (b"", "pcm", "empty"),
        (b"abc", "pcm", "no whole number"),
        (encoded("WAV"), "pcm", "which is a file"),
        (encoded("FLAC"), "wav", "is no wav"),
        (b"<html>", "flac", "is no flac"),
        (encoded("WAV", pcm=PCM[:0]), "wav", "samples"),
    ],
)
def test_what_is_no_audio_is_said(data: bytes, audio_format: str, message: str) -> None:
    with pytest.raises(BadAudio, match=message):
        decode_answer(data, audio_format)  # type: ignore[arg-type]


def test_a_small_file_of_many_samples_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadAudio, match="900 samples where at most 899"):
        decode_answer(encoded("FLAC"), "flac", 899)
