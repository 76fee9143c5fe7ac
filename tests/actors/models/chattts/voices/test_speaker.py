"""Voices as strings and from seeds: exact round trips, damage that is noticed, numbers that never change."""

from __future__ import annotations

import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.actors.models.chattts.checkpoint.layout import FULL, TINY
from speechmill.actors.models.chattts.voices import base16384
from speechmill.actors.models.chattts.voices.speaker import (
    decode_audio_prompt,
    decode_speaker,
    decode_statistics,
    encode_audio_prompt,
    encode_speaker,
    encode_statistics,
    sampled,
)
from speechmill.errors import RowRejected

FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
FINITE = st.integers(0, 0xFFFF).filter(lambda bits: bits & 0x7C00 != 0x7C00)
VECTORS = st.lists(FINITE, min_size=TINY.hidden, max_size=TINY.hidden).map(
    lambda bits: np.array(bits, np.uint16).view(np.float16)
)
CODES = st.tuples(st.integers(1, 40), st.integers(0, 2**32)).map(
    lambda drawn: np.random.default_rng(drawn[1]).integers(0, 625, (4, drawn[0])).astype(np.uint16)
)


@given(st.binary(max_size=200))
def test_bytes_round_trip_through_characters(data: bytes) -> None:
    text = base16384.encode(data)
    assert base16384.decode(text) == data
    assert base16384.decode(f" {text}\n") == data
    assert len(text) == -(-8 * len(data) // 14) + bool(len(data) % 7)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x8DFF), max_size=9), st.integers(0, 6))
def test_a_string_that_is_read_is_the_one_that_would_be_written(body: str, rest: int) -> None:
    text = body + (chr(0x3D00 + rest) if rest else "")
    try:
        data = base16384.decode(text)
    except RowRejected:
        return
    assert base16384.encode(data) == text


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_string_that_is_cut_or_mistyped_is_refused_or_gives_other_bytes(data: bytes, draw: st.DataObject) -> None:
    text = base16384.encode(data)
    at = draw.draw(st.integers(0, len(text) - 1))
    for damaged in (text[:at], text[:at] + "x" + text[at + 1 :], text[:at] + text[at + 1 :]):
        try:
            assert base16384.decode(damaged) != data
        except RowRejected as error:
            assert "copy" in str(error)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"\0", "一㴁"), (b"\xff", "跀㴁"), (b"\0" * 7, "一一一一"), (b"\xff" * 7, "跿跿跿跿")],
)
def test_known_strings(data: bytes, text: str) -> None:
    assert base16384.encode(data) == text
    assert base16384.decode(text) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("一x一一", r"character 2 of the base16384 text is 'x' \(U\+0078\)"),
        ("一㴁一", r"character 2 .* \(U\+3D01\)"),
        ("一一一", "cut off or too long"),
        ("㴆", "cut off or too long"),
        ("一一一一㴁", "cut off or too long"),
        ("丁㴁", "bits that belong to no byte"),
    ],
)
def test_damage_is_named(text: str, reason: str) -> None:
    with pytest.raises(RowRejected, match=reason):
        base16384.decode(text)


@given(VECTORS)
def test_a_speaker_round_trips_bit_for_bit(vector: np.ndarray) -> None:
    text = encode_speaker(vector)
    found = decode_speaker(text, TINY.hidden)
    assert found.dtype == np.float16
    assert found.tobytes() == vector.tobytes()
    assert encode_speaker(found) == text


def test_a_speaker_of_the_published_size_begins_as_every_one_does() -> None:
    vector = sampled(1)
    assert encode_speaker(vector).startswith("蘁淰")
    assert encode_speaker(vector) == packed(vector.tobytes())


@given(CODES)
@settings(max_examples=min(50, settings.default.max_examples))
def test_an_audio_prompt_round_trips(codes: np.ndarray) -> None:
    found = decode_audio_prompt(encode_audio_prompt(codes))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, codes)


@given(st.integers(0, 2**63 - 1))
def test_statistics_round_trip_and_shape_what_is_drawn(seed: int) -> None:
    stat = np.stack([np.full(64, 2, np.float16), np.full(64, -3, np.float16)])
    text = encode_statistics(stat)
    found = decode_statistics(text, 64)
    np.testing.assert_array_equal(found, stat)
    plain = sampled(seed, 64).astype(np.float32)
    np.testing.assert_allclose(sampled(seed, 64, found), plain * 2 - 3, atol=0.02)


def test_statistics_of_the_published_size_have_the_published_length() -> None:
    assert len(encode_statistics(np.zeros((2, FULL.hidden), np.float16))) == 1757


@given(st.integers(0, 2**63 - 1), st.integers(1, 70))
def test_a_seed_always_gives_the_same_finite_speaker_and_another_seed_another(seed: int, hidden: int) -> None:
    vector = sampled(seed, hidden)
    assert vector.shape == (hidden,)
    assert vector.dtype == np.float16
    assert np.isfinite(vector).all()
    assert sampled(seed, hidden).tobytes() == vector.tobytes()
    assert sampled(seed + 1, hidden).tobytes() != vector.tobytes()


def test_the_numbers_of_a_seed_never_change() -> None:
    """A corpus is continued with the voices that it was begun with."""
    np.testing.assert_array_equal(sampled(7)[:4], np.array([-1.314, 0.1631, 0.7812, 0.632], np.float16))


def test_speakers_are_normally_distributed() -> None:
    values = np.concatenate([sampled(seed).astype(np.float64) for seed in range(100)])
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02
    assert abs((np.abs(values) < 1).mean() - 0.6827) < 0.01
    assert abs((np.abs(values) < 2).mean() - 0.9545) < 0.005


def packed(data: bytes) -> str:
    return base16384.encode(lzma.compress(data, lzma.FORMAT_RAW, filters=FILTERS))


def test_a_damaged_speaker_is_refused_with_what_is_wrong() -> None:
    text = encode_speaker(sampled(1))
    with pytest.raises(RowRejected, match="cut off"):
        decode_speaker(text[:400])
    with pytest.raises(RowRejected, match="0 of 1536 bytes"):
        decode_speaker("")
    with pytest.raises(RowRejected, match="is damaged"):
        decode_speaker("跿" * 400)
    with pytest.raises(RowRejected, match="holds 64 bytes"):
        decode_speaker(encode_speaker(sampled(1, TINY.hidden)))
    with pytest.raises(RowRejected, match="more than the 1536 bytes"):
        decode_speaker(packed(bytes(2 * FULL.hidden + 2)))
    with pytest.raises(RowRejected, match="infinite or not a number"):
        decode_speaker(encode_speaker(np.full(FULL.hidden, np.nan, np.float16)))


def test_bytes_after_the_end_of_a_speaker_are_not_ignored() -> None:
    plain = lzma.compress(sampled(1).tobytes(), lzma.FORMAT_RAW, filters=FILTERS)
    with pytest.raises(RowRejected, match="and 3 after its end"):
        decode_speaker(base16384.encode(plain + b"abc"))


def test_a_string_that_unpacks_to_gigabytes_is_refused_before_it_does() -> None:
    bomb = packed(bytes(5_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(RowRejected, match="more than the 1536 bytes"):
        decode_speaker(bomb)


def test_damaged_statistics_are_refused_with_what_is_wrong() -> None:
    with pytest.raises(RowRejected, match="128 bytes where 3072 are needed"):
        decode_statistics(encode_statistics(np.zeros((2, TINY.hidden), np.float16)))
    with pytest.raises(RowRejected, match=r"a standard deviation of -1\.0"):
        decode_statistics(encode_statistics(np.full((2, 4), -1, np.float16)), 4)
    with pytest.raises(RowRejected, match="infinite"):
        decode_statistics(encode_statistics(np.full((2, 4), np.inf, np.float16)), 4)
    with pytest.raises(RowRejected, match="infinite"):
        sampled(1, 768, np.full((2, 768), 60_000, np.float16))


def test_a_damaged_audio_prompt_is_refused_with_what_is_wrong() -> None:
    codes = np.zeros((4, 30), np.uint16)
    with pytest.raises(RowRejected, match="cut off"):
        decode_audio_prompt(encode_audio_prompt(codes)[:4])
    with pytest.raises(RowRejected, match="0 codebooks of 0 steps"):
        decode_audio_prompt("")
    with pytest.raises(RowRejected, match="2 codebooks of 30 steps where 4"):
        decode_audio_prompt(encode_audio_prompt(codes[:2]))
    with pytest.raises(RowRejected, match="4 codebooks of 0 steps"):
        decode_audio_prompt(encode_audio_prompt(codes[:, :0]))
    with pytest.raises(RowRejected, match="holds the code 625"):
        decode_audio_prompt(encode_audio_prompt(codes + 625))
    with pytest.raises(RowRejected, match="is it a speaker string"):
        decode_audio_prompt(encode_speaker(sampled(1)))
    with pytest.raises(ValueError, match=r"shape \(30,\)"):
        encode_audio_prompt(codes[0])
