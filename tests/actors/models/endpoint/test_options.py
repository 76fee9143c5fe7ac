"""Options of the model `openai`: what is taken, what is refused and with which words; nothing is asked of a server."""

from __future__ import annotations

from typing import Any

import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.endpoint.options import NEUTRAL, EndpointOptions, read_options
from speechmill.actors.models.registry import describe
from speechmill.errors import ModelError

URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        (URL, f"{URL}/audio/speech"),
        (f"{URL}/", f"{URL}/audio/speech"),
        (f"{URL}/audio/speech", f"{URL}/audio/speech"),
        ("https://a.example/deployments/x?api-version=1", "https://a.example/deployments/x/audio/speech?api-version=1"),
    ],
)
def test_an_address_is_that_of_the_interface_or_of_its_speech(url: str, read: str) -> None:
    assert read_options({"urls": url}).urls == (read,)
    assert read_options({"urls": [url]}).urls == (read,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "urls is missing"),
        ({"urls": []}, "must be an address, or a list"),
        ({"urls": 3}, "must be an address, or a list"),
        ({"urls": [3]}, "must be addresses such as"),
        ({"urls": "127.0.0.1:8000"}, "must be addresses such as"),
        ({"urls": "ftp://a.example"}, "must be addresses such as"),
        ({"urls": "http://a.example:x/v1"}, "which is no address"),
        ({"urls": [URL, URL + "/"]}, "names a server twice"),
        ({"urls": "http://user:word@a.example/v1"}, "holds a name or a password"),
        ({"url": URL}, 'did you mean "urls"?'),
        ({"api_key": "x"}, "api_key is not an option"),
        ({"api_key_env": "sk-123"}, "never write the key itself"),
        ({"response_format": "mp3"}, "must be one of wav, flac, pcm"),
        ({"sample_rate": 24_000.5}, "must be a whole number from 8000"),
        ({"concurrency": True}, "must be a whole number"),
        ({"timeout_s": "60"}, "must be a number from"),
        ({"away_s": float("nan")}, "must be a number from"),
        ({"resample": 1}, "must be true or false"),
        ({"model": 1}, "must be text"),
        ({"languages": []}, "at least one language"),
        ({"languages": "en"}, "a list of languages"),
        ({"body": {"input": "x"}}, "body.input is not allowed"),
        ({"body": {"seed": 1}, "seed_field": "seed"}, "body.seed is not allowed"),
        ({"body": {"x": float("inf")}}, "model.options.body: "),
        ({"voices": {"a": 3}}, "voices.a is 3"),
        ({"voices": {"a": {"speed": 2}}}, "voices.a.speed is not allowed"),
        ({"voices": [1]}, "must be text"),
        ({"seed_field": "input"}, "must be keys of their own"),
        ({"seed_field": "x", "language_field": "x"}, "must be keys of their own"),
        ({"stream": True, "resample": True}, "exclude each other"),
    ],
)
def test_what_is_wrong_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=r"model\.options\.") as caught:
        read_options(options if "urls" in options or not options else {"urls": URL, **options})
    assert message in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")
    assert "sk-123" not in str(caught.value)


def test_a_model_says_what_it_is_without_asking() -> None:
    info = describe(ModelConfig("openai", options={"urls": URL}))
    assert (info.voices, info.default_voice, info.revision) == ((), "default", "served, unseeded")
    options = {"urls": URL, "model": "tts", "seed_field": "seed", "voices": ["a", "b"], "licence": "Apache-2.0"}
    info = describe(ModelConfig("openai", options=options))
    assert (info.voices, info.default_voice, info.revision) == (("a", "b"), "a", "tts")
    assert info.licence == "Apache-2.0"
    assert info.voice_fault("c")
    with pytest.raises(ModelError, match=r"not among model\.options\.voices"):
        describe(ModelConfig("openai", voice="c", options=options))
    with pytest.raises(ModelError, match=r"set model\.device: cpu"):
        describe(ModelConfig("openai", device="cuda", options=options))


def test_neutral_options_are_options() -> None:
    assert set(NEUTRAL) < set(EndpointOptions.__dataclass_fields__)
