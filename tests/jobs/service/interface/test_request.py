"""Bodies of every kind: an input that the model takes, or a `HttpProblem` that names the key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.actors.records.speech import SpeechInput
from speechmill.jobs.service.http_problem import HttpProblem
from speechmill.jobs.service.interface.aliases import Aliases
from speechmill.jobs.service.interface.request import IGNORED_KEYS, Offer, SpeechRequest

HIBARI = describe(ModelConfig("hibari"))
OFFER = Offer(HIBARI, ("pcm", "wav", "flac", "opus", "mp3"), 50, Aliases.of(HIBARI))
KEYS = tuple(SpeechRequest.model_fields)


def speech_input(**wanted: object) -> SpeechInput:
    return SpeechRequest.parse(json.dumps({"input": "Hello.", **wanted}).encode()).speech_input(OFFER)


def problem(body: bytes) -> HttpProblem:
    with pytest.raises(HttpProblem) as caught:
        SpeechRequest.parse(body).speech_input(OFFER)
    return caught.value


def test_only_the_text_is_needed() -> None:
    assert speech_input() == SpeechInput("Hello.", "heart", 0, 1.0)
    wanted = SpeechRequest.parse(b'{"input": "x"}')
    assert (wanted.response_format, wanted.is_streamed, wanted.stream_format) == ("mp3", True, "audio")
    assert wanted.ignored == []


def test_every_key_counts() -> None:
    assert speech_input(voice="emma", seed=2**63 - 1, speed=2) == SpeechInput("Hello.", "emma", 2**63 - 1, 2.0)
    assert speech_input(voice={"id": "emma"}) == speech_input(voice="emma", model="hibari", response_format="pcm")


def test_null_is_as_good_as_absent() -> None:
    nulls = dict.fromkeys(set(KEYS) - {"input"}) | {"unheard_of": None}
    assert SpeechRequest.parse(json.dumps({"input": "x", **nulls}).encode()) == SpeechRequest.parse(b'{"input": "x"}')


def test_keys_without_effect_are_taken_whatever_they_hold_and_listed() -> None:
    given = {"user": "u-1", "instructions": ["calm"], "language": 5, "metadata": {"a": {}}}
    wanted = SpeechRequest.parse(json.dumps({"input": "Hello.", **given}).encode())
    assert sorted(wanted.ignored) == sorted(given)
    assert wanted.speech_input(OFFER) == speech_input()
    assert set(IGNORED_KEYS) < set(KEYS)


@pytest.mark.parametrize(
    ("name", "is_streamed"), [("pcm", True), ("MP3", True), ("Opus", True), ("wav", False), ("FLAC", False)]
)
def test_formats_come_in_any_case_and_are_whole_files_where_a_stream_cannot_be_opened(
    name: str, is_streamed: bool
) -> None:
    def wanted(**how: object) -> SpeechRequest:
        request = SpeechRequest.parse(json.dumps({"input": "x", "response_format": name, **how}).encode())
        request.speech_input(OFFER)
        return request

    assert wanted().response_format == name.lower()
    assert wanted().is_streamed is wanted(stream=None).is_streamed is is_streamed
    assert wanted(stream=True).is_streamed
    assert wanted(stream_format="SSE").is_streamed
    assert not wanted(stream=False).is_streamed


WRONG = [
    (b"", 400, None, "not valid JSON"),
    (b"{", 400, None, "not valid JSON"),
    (b"[]", 400, None, "must be a JSON object"),
    (b'"text"', 400, None, "must be a JSON object"),
    (b"null", 400, None, "must be a JSON object"),
    (b'{"input": "\xff"}', 400, None, "not UTF-8 from byte 11"),
    ('{"input": "x"}'.encode("utf-16"), 400, None, "not UTF-8"),
    (b'\xef\xbb\xbf{"input": "x"}', 400, None, "not valid JSON"),
    (b'{"input": "x"} trailing', 400, None, "not valid JSON"),
    (b'{"input": "x", "speed": NaN}', 400, None, "NaN is not a JSON number"),
    (b'{"input": "x", "speed": -Infinity}', 400, None, "-Infinity is not a JSON number"),
    (b'{"input": "x", "speed": 1e999}', 400, "speed", "finite"),
    (b'{"input": "x", "seed": ' + b"9" * 5_000 + b"}", 400, None, "not valid JSON"),
    (b"[" * 100_000, 400, None, "nested too deeply"),
    (b'{"input":' * 100_000, 400, None, "nested too deeply"),
    (b"{}", 400, "input", '"input" is missing'),
    (b'{"input": ""}', 400, "input", "nothing that can be spoken"),
    (b'{"input": " \\n\\t\\u0000"}', 400, "input", "nothing that can be spoken"),
    (b'{"input": null}', 400, "input", '"input" is missing'),
    (b'{"input": 5}', 400, "input", "valid string"),
    (b'{"input": ["x"]}', 400, "input", "valid string"),
    (b'{"input": "x\\ud800"}', 400, "input", "lone surrogate"),
    (b'{"input": "x", "voice": "\\udc00"}', 400, "voice", "lone surrogate"),
    (b'{"input": "%s"}' % (b"x" * 51), 400, "input", "has 51 characters; at most 50"),
    (b'{"input": "x", "inputs": 1}', 400, "inputs", 'did you mean "input"?'),
    (b'{"input": "x", "instruction": "softly"}', 400, "instruction", 'did you mean "instructions"?'),
    (b'{"input": "x", "\\udfff": 1}', 400, "\udfff", "is not a key"),
    (b'{"input": "x", "%s": 1}' % (b"k" * 90_000), 400, "k" * 80 + "…", "is not a key"),
    (b'{"input": "x", "model": "tts-2"}', 404, "model", '"tts-2" does not exist here; known: hibari'),
    (b'{"input": "x", "voice": "alba"}', 400, "voice", 'is "alba", which is not a voice of hibari'),
    (b'{"input": "x", "voice": {"id": 5}}', 400, "voice", "valid string"),
    (b'{"input": "x", "voice": {"name": "emma"}}', 400, "voice", "valid string"),
    (b'{"input": "x", "response_format": "aac"}', 400, "response_format", "choose one of pcm, wav, flac, opus, mp3"),
    (b'{"input": "x", "speed": 0.1}', 400, "speed", "0.25 to 4"),
    (b'{"input": "x", "speed": 5}', 400, "speed", "0.25 to 4"),
    (b'{"input": "x", "speed": "1"}', 400, "speed", "valid number"),
    (b'{"input": "x", "seed": -1}', 400, "seed", "greater than or equal to 0"),
    (b'{"input": "x", "seed": 9223372036854775808}', 400, "seed", "less than or equal to"),
    (b'{"input": "x", "seed": 1.5}', 400, "seed", "valid integer"),
    (b'{"input": "x", "seed": true}', 400, "seed", "valid integer"),
    (b'{"input": "x", "stream": 1}', 400, "stream", "valid boolean"),
    (b'{"input": "x", "stream_format": "ws"}', 400, "stream_format", "'audio' or 'sse'"),
    (b'{"input": "x", "stream": false, "stream_format": "SSE"}', 400, "stream", "leave one of them out"),
]


@pytest.mark.parametrize(("body", "status", "param", "told"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named(body: bytes, status: int, param: str | None, told: str) -> None:
    error = problem(body)
    assert (error.status, error.param) == (status, param)
    assert told in str(error)
    assert len(str(error)) < 1_000
    answer = json.loads(error.response().body)
    assert answer["error"] == {
        "message": str(error),
        "type": "invalid_request_error",
        "param": param,
        "code": error.code,
    }


def test_all_wrong_values_are_told_at_once() -> None:
    told = str(problem(b'{"input": 1, "seed": -1, "stream": "no"}'))
    assert [key in told for key in ('"input"', '"seed"', '"stream"')] == [True] * 3


def test_any_voice_goes_where_the_model_has_no_list() -> None:
    offer = replace(OFFER, info=replace(OFFER.info, voices=(), default_voice="mine"))
    assert SpeechRequest.parse(b'{"input": "x", "voice": "yours"}').speech_input(offer).voice == "yours"
    assert SpeechRequest.parse(b'{"input": "x"}').speech_input(offer).voice == "mine"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), JSON, max_size=5))
def test_any_object_is_a_valid_script_or_a_problem(values: dict[str, object]) -> None:
    try:
        wanted = SpeechRequest.parse(json.dumps(values).encode()).speech_input(OFFER)
    except HttpProblem as error:
        assert error.status in (400, 404)
        json.loads(error.response().body)
    else:
        assert wanted.text.strip()
        assert len(wanted.text) <= 50
        assert wanted.voice in OFFER.info.voices
        assert 0.25 <= wanted.speed <= 4
        assert 0 <= wanted.seed < 2**63


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_taken(body: bytes) -> None:
    try:
        SpeechRequest.parse(body)
    except HttpProblem as error:
        assert error.status == 400
