"""Voices as they are spelled: each spelling is one voice, and what is wrong is named with its place."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.tone import Tone
from speechmill.actors.models.voice_reference import (
    DEFAULT_VOICE,
    BlendedVoice,
    ClonedVoice,
    NamedVoice,
    OwnSeedVoice,
    SeededVoice,
    VectorVoice,
    decode_vector,
    encode_vector,
    form_of,
    parse_voice,
    read_voice,
)
from speechmill.errors import ModelError, RowRejected


@given(st.integers(0, 2**63 - 1))
def test_a_seed_is_a_voice(seed: int) -> None:
    assert parse_voice(f"seed:{seed}") == SeededVoice(seed) == read_voice({"seed": seed}, "x")
    assert form_of(f"seed:{seed}") == "seed"


@given(st.text(string.printable + "蘁", max_size=30))
def test_everything_else_is_a_name(voice: str) -> None:
    if not voice.startswith(("seed:", "vector:")) and "+" not in voice and voice != "by_seed":
        assert parse_voice(voice) == NamedVoice(voice)
        assert form_of(voice) is None
    assert parse_voice(voice, is_vector=lambda text: True) in (VectorVoice(voice), parse_voice(voice))


@pytest.mark.parametrize("voice", ["seed:", "seed:-1", f"seed:{2**63}", "seed:1.5", "Seed:1", " seed:1"])
def test_a_seed_that_is_none_is_a_name_that_no_model_has(voice: str) -> None:
    assert parse_voice(voice) == NamedVoice(voice)


def test_a_blend_has_names_and_shares_of_their_sum() -> None:
    assert parse_voice("a+b") == BlendedVoice((("a", 0.5), ("b", 0.5)))
    assert parse_voice("a:3+b") == BlendedVoice((("a", 0.75), ("b", 0.25)))
    assert parse_voice("a:.5+b:0.3+c:0.2") == BlendedVoice((("a", 0.5), ("b", 0.3), ("c", 0.2)))
    assert form_of("a:0.7+b:0.3") == "blend"


@pytest.mark.parametrize("voice", ["+", "a+", "+b", "a:0+b:0", "a:x+b", "a:-1+b", "a b+c", "a:1:2+b", "a:0.7"])
def test_a_blend_that_is_none_is_a_name_that_no_model_has(voice: str) -> None:
    assert parse_voice(voice) == NamedVoice(voice)


def test_the_seed_of_the_row_itself_is_a_voice() -> None:
    assert parse_voice("by_seed") == OwnSeedVoice()
    assert form_of("by_seed") == "by_seed"


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=40))
def test_a_vector_is_what_it_was(values: list[float]) -> None:
    spelled = encode_vector(np.array(values, np.float32))
    assert form_of(spelled) == "vector" and parse_voice(spelled) == VectorVoice(spelled)
    assert decode_vector(spelled, len(values)).tolist() == values


@pytest.mark.parametrize(
    "vector",
    [
        "vector:",
        "vector:AAAA",
        encode_vector(np.zeros(3, np.float32)),
        encode_vector(np.zeros(5, np.float32)),
        encode_vector(np.array([0, 1, np.nan, 0], np.float32)),
        encode_vector(np.zeros(4, np.float32))[:-3] + "!==",
        "vector:" + "A" * 10_000_000,
    ],
)
def test_a_vector_of_another_size_or_damaged_fails_its_row(vector: str) -> None:
    with pytest.raises(RowRejected, match="4 numbers of float32"):
        decode_vector(vector, 4)


@pytest.mark.parametrize(
    ("keys", "voice"),
    [
        ({}, DEFAULT_VOICE),
        ({"prompt": 3}, DEFAULT_VOICE),
        ({"speaker": ""}, DEFAULT_VOICE),
        ({"speaker": "abc"}, VectorVoice("abc")),
        ({"sample": "a.wav", "transcript": "Hi."}, ClonedVoice("a.wav", "Hi.")),
    ],
)
def test_keys_of_a_job_describe_a_voice(keys: dict[str, object], voice: object) -> None:
    assert read_voice(keys, "here") == voice


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"seed": "1"}, "here.seed is '1'; it has to be a whole number"),
        ({"speaker": 1}, "here.speaker is 1; it has to be text"),
        ({"seed": 1, "speaker": "a"}, "here has more than one of speaker, seed and sample"),
        ({"sample": "a.wav"}, "here: sample and transcript belong together"),
    ],
)
def test_keys_that_are_wrong_are_named(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_voice(keys, "here")


def test_a_model_with_voices_says_which_other_forms_it_takes() -> None:
    from dataclasses import replace

    info = replace(Tone.describe(ModelConfig("tone")), voices=("anna", "ben"), default_voice="anna")
    assert not info.voice_fault("ben") and not info.voice_fault("")
    assert "is not a voice of tone" in info.voice_fault("seed:3")
    assert not replace(info, voice_forms=("seed",)).voice_fault("seed:3")
    assert replace(info, voice_forms=("seed",)).voice_fault("vector:AAAA")
    assert "anna" in replace(info, voice_forms=("seed",)).voice_fault("ana")
