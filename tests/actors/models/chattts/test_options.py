"""Options: every wrong one is named with what is allowed, and presets build on the default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.chattts.options import (
    REFINED,
    SPOKEN,
    Options,
    Preset,
    read_options,
)
from speechmill.actors.models.chattts.voices.voices import read_homophones
from speechmill.actors.models.voice_reference import SeededVoice
from speechmill.errors import ModelError

SETTINGS = {
    "temperature": st.floats(1e-5, 10),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(1, 21_178),
    "repetition_penalty": st.floats(0.1, 10),
    "min_steps": st.integers(1, 4_000),
    "max_steps": st.integers(1, 4_000),
}
settings = st.fixed_dictionaries(
    {}, optional=SETTINGS | {"prompt": st.sampled_from(["", "[speed_2]", "[oral_3] [laugh]"])}
)


def is_ordered(*given: dict[str, object]) -> bool:
    keys = {"min_steps": 1, "max_steps": 2_048}
    return all(keys["min_steps"] <= keys["max_steps"] for one in given if (keys := keys | one))


def test_nothing_given_is_chattts_own() -> None:
    options = read_options({})
    assert options == Options()
    assert options.default == Preset(prompt="[speed_5]", sampling=SPOKEN)
    assert (options.refining, options.max_steps, options.language) == (REFINED, 2_048, None)


@given(settings, settings)
def test_a_voice_has_its_own_settings_and_the_default_for_all_others(
    default: dict[str, object], voice: dict[str, object]
) -> None:
    if not is_ordered(default, default | voice):
        with pytest.raises(ModelError, match=r"model\.options(\.voices\.anna)?: min_steps \d+ is above max_steps \d+"):
            read_options({**default, "voices": {"anna": voice}})
        return
    options = read_options({**default, "voices": {"anna": voice, "bare": {}}})
    alone = read_options(default | voice).default
    assert options.voices["anna"] == alone
    assert options.voices["bare"] == options.default == read_options(default).default
    assert options.max_steps == max(alone.sampling.max_steps, options.default.sampling.max_steps)


def test_all_keys() -> None:
    raw = {
        "dtype": "bfloat16", "decoder": "codes", "language": "auto", "incomplete": "keep", "deterministic": True,
        "compile": True, "homophones": "map.json", "statistics": "stat.txt", "refine": "[oral_2][break_6]",
        "refining": {"temperature": 0.5, "max_steps": 100}, "temperature": [0.1, 0.2, 0.3, 0.4],
        "repetition_penalty": 1.2, "voices": {"a": {"seed": 0}, "b.wav": {"sample": "b.wav", "transcript": "Hi."}},
    }  # fmt: skip
    options = read_options(raw)
    assert (options.dtype, options.decoder, options.language, options.incomplete) == ("bfloat16", "codes", None, "keep")
    assert options.deterministic and options.compile
    assert (options.homophones, options.statistics, options.refine) == ("map.json", "stat.txt", "[oral_2][break_6]")
    assert (options.refining.temperature, options.refining.max_steps, options.refining.penalty) == ((0.5,), 100, 1.0)
    assert options.voices["a"].voice == SeededVoice(0)
    assert options.voices["b.wav"].sampling == options.default.sampling
    assert options.default.sampling.temperature == (0.1, 0.2, 0.3, 0.4)
    assert options.default.sampling.penalty == 1.2


WRONG = [
    ({"temprature": 1}, r"model\.options\.temprature is not an option of chattts: did you mean \"temperature\"\?"),
    ({"seed": 1}, r"model\.options\.seed is not an option"),
    ({"speaker": ""}, r"model\.options\.speaker is not an option"),
    ({3: 1}, r"model\.options\.3 is not an option"),
    ({"dtype": "int8"}, r"model\.options\.dtype is 'int8'; it has to be one of auto, float32, bfloat16, float16"),
    ({"dtype": ["auto"]}, r"model\.options\.dtype is \['auto'\]; it has to be one of auto"),
    ({"decoder": "mel"}, r"model\.options\.decoder is 'mel'; it has to be one of hidden, codes"),
    ({"language": "de"}, r"model\.options\.language is 'de'; it has to be one of auto, en, zh"),
    ({"incomplete": None}, r"model\.options\.incomplete is None; it has to be one of fail, keep"),
    ({"deterministic": 1}, r"model\.options\.deterministic is 1; it has to be true or false"),
    ({"compile": "yes"}, r"model\.options\.compile is 'yes'; it has to be true or false"),
    ({"homophones": 3}, r"model\.options\.homophones is 3; it has to be text"),
    ({"statistics": []}, r"model\.options\.statistics is \[\]; it has to be text"),
    ({"prompt": "fast"}, r"model\.options\.prompt is \"fast\"; it has to be control tags such as \[oral_2\]"),
    ({"prompt": "[speed_10]"}, r"model\.options\.prompt is"),
    ({"prompt": "[Ptts]"}, r"model\.options\.prompt is"),
    ({"prompt": 5}, r"model\.options\.prompt is 5; it has to be text"),
    ({"refine": "[oral]"}, r"model\.options\.refine is \"\[oral\]\"; it has to be control tags"),
    ({"refining": 1}, r"model\.options\.refining is 1; it has to hold keys of its own"),
    ({"refining": {"prompt": ""}}, r"model\.options\.refining\.prompt is not an option"),
    ({"refining": {"top_p": 2}}, r"model\.options\.refining\.top_p is 2; it has to be a number from 0 to 1"),
    ({"refining": {"max_steps": 4, "min_steps": 5}}, r"model\.options\.refining: min_steps 5 is above max_steps 4"),
    ({"temperature": 0}, r"model\.options\.temperature is 0; it has to be a number from 1e-05 to 10"),
    ({"temperature": "0.3"}, r"model\.options\.temperature is '0\.3'; it has to be a number"),
    ({"temperature": True}, r"model\.options\.temperature is True; it has to be a number"),
    ({"temperature": float("nan")}, r"model\.options\.temperature is nan"),
    ({"temperature": []}, r"model\.options\.temperature has 0 numbers; give one, or 4"),
    ({"temperature": [0.3, 0.3]}, r"model\.options\.temperature has 2 numbers; give one, or 4"),
    ({"temperature": [0.3, 0.3, 0.3, 11]}, r"model\.options\.temperature is 11; it has to be a number"),
    ({"top_p": -0.1}, r"model\.options\.top_p is -0\.1; it has to be a number from 0 to 1"),
    ({"top_k": 1.5}, r"model\.options\.top_k is 1\.5; it has to be a whole number from 1 to 21178"),
    ({"repetition_penalty": 0}, r"model\.options\.repetition_penalty is 0; it has to be a number from 0\.1 to 10"),
    ({"min_steps": 0}, r"model\.options\.min_steps is 0; it has to be a whole number from 1 to 4000"),
    ({"max_steps": 4_001}, r"model\.options\.max_steps is 4001; it has to be a whole number from 1 to 4000"),
    ({"voices": ["anna"]}, r"model\.options\.voices is \['anna'\]; it has to hold keys of its own"),
    ({"voices": {"anna": "x"}}, r"model\.options\.voices\.anna is 'x'; it has to hold keys of its own"),
    ({"voices": {"": {}}}, r'voices: "" is no name; use at most 64 letters'),
    ({"voices": {"seed:1": {}}}, r'voices: "seed:1" is no name; use at most 64 letters'),
    ({"voices": {"a b": {}}}, r'voices: "a b" is no name'),
    ({"voices": {"女": {}}}, r'voices: "女" is no name'),
    ({"voices": {"a" * 65: {}}}, r'voices: "a+" is no name'),
    (
        {"voices": {"a": {"sed": 1}}},
        r"model\.options\.voices\.a\.sed is not an option of chattts: did you mean \"seed\"",
    ),
    ({"voices": {"a": {"seed": -1}}}, r"voices\.a\.seed is -1; it has to be a whole number from 0 to 2\*\*63 - 1"),
    ({"voices": {"a": {"seed": 2**63}}}, r"voices\.a\.seed is 9223372036854775808; it has to be"),
    ({"voices": {"a": {"seed": True}}}, r"voices\.a\.seed is True; it has to be"),
    ({"voices": {"a": {"speaker": 1}}}, r"voices\.a\.speaker is 1; it has to be text"),
    ({"voices": {"a": {"seed": 1, "speaker": "蘁"}}}, r"voices\.a has more than one of speaker, seed and sample"),
    ({"voices": {"a": {"seed": 0, "sample": "a.wav", "transcript": "b"}}}, r"voices\.a has more than one of"),
    ({"voices": {"a": {"sample": "a.wav"}}}, r"voices\.a: sample and transcript belong together"),
    ({"voices": {"a": {"sample": "a.wav", "transcript": " "}}}, r"voices\.a: sample and transcript belong together"),
    ({"voices": {"a": {"transcript": "b"}}}, r"voices\.a: sample and transcript belong together"),
    ({"voices": {"a": {"top_k": 0}}}, r"voices\.a\.top_k is 0; it has to be a whole number from 1"),
]


@pytest.mark.parametrize(("raw", "message"), WRONG, ids=[str(raw)[:60] for raw, _ in WRONG])
def test_what_is_wrong_is_named_with_what_is_allowed(raw: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_options(raw)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*SETTINGS, "prompt", "dtype", "language", "refine", "refining", "voices", "compile", "homophones", "x"]


@given(st.dictionaries(st.sampled_from(KEYS), anything, max_size=3))
def test_any_value_at_all_is_read_or_refused(raw: dict[str, object]) -> None:
    try:
        options = read_options(raw)
    except ModelError as error:
        assert "model.options" in str(error)
    else:
        assert options.default.sampling.min_steps <= options.max_steps


def test_homophones_are_read(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"三": "山"}), encoding="utf-8")
    assert read_homophones(str(file)) == {"三": "山"}
    assert read_homophones("") == {}


@pytest.mark.parametrize("content", ['{"ab": "c"}', '{"a": "bc"}', '{"a": 1}', '{"": "a"}', "[]", "3", "null"])
def test_homophones_that_are_no_map_of_characters_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "map.json"
    file.write_text(content)
    with pytest.raises(ModelError, match=r"model\.options\.homophones: .*map\.json has .*map characters"):
        read_homophones(str(file))


@pytest.mark.parametrize("content", [None, b"{", b"\xff"])
def test_homophones_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "map.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.options\.homophones: .*map\.json cannot be read"):
        read_homophones(str(file))


def test_chunks_of_a_stream_are_checked() -> None:
    policy = read_options({"streaming": {"first": 4, "growth": 2, "most": 40, "ahead": 6}}).streaming
    assert (policy.first, policy.growth, policy.most, policy.ahead) == (4, 2, 40, 6)


@pytest.mark.parametrize(
    ("streaming", "words"),
    [
        ({"first": 0}, ["model.options.streaming", "first is 0", "1 or more"]),
        ({"first": 2.5}, ["model.options.streaming.first is 2.5", "a whole number of steps"]),
        ({"growth": "fast"}, ["model.options.streaming.growth", "a number"]),
        ({"frist": 2}, ["frist", "first"]),
        (7, ["model.options.streaming"]),
    ],
)
def test_chunks_of_a_stream_that_cannot_be_are_named(streaming: object, words: list[str]) -> None:
    with pytest.raises(ModelError) as error:
        read_options({"streaming": streaming})
    assert all(word in str(error.value) for word in words), error.value
