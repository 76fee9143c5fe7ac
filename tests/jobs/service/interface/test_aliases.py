"""Other names of the model and its voices: OpenAI's, and those of the service file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe
from speechmill.errors import SpecError
from speechmill.jobs.service.interface.aliases import OPENAI_MODELS, OPENAI_VOICES, Aliases
from speechmill.jobs.service.interface.request import Offer, SpeechRequest
from speechmill.jobs.service.spec import ServiceSpec

HIBARI = describe(ModelConfig("hibari"))


def voice_of(aliases: Aliases, name: str, model: str = "hibari") -> str:
    offer = Offer(HIBARI, ("mp3",), 50, aliases)
    return SpeechRequest(input="Hello.", voice=name, model=model).speech_input(offer).voice


def test_every_name_of_openai_is_spoken_and_a_voice_of_the_model_keeps_its_name() -> None:
    aliases = Aliases.of(HIBARI)
    for model in OPENAI_MODELS:
        assert voice_of(aliases, "emma", model) == "emma"
    assert {voice_of(aliases, name) for name in OPENAI_VOICES} == {"heart", "fable"}
    assert [voice_of(aliases, name) for name in HIBARI.voices] == list(HIBARI.voices)


def test_a_model_that_has_no_list_of_voices_speaks_openais_with_its_default_voice() -> None:
    """ChatTTS takes `seed:N` and the voices of its options, and would refuse `alloy` only when it speaks."""
    info = replace(HIBARI, voices=(), default_voice="")
    found = Aliases.of(info, own=("nova",)).voices
    assert found == dict.fromkeys(set(OPENAI_VOICES) - {"nova"}, "")


def test_the_service_file_names_more_and_may_leave_openais_out() -> None:
    spec = ServiceSpec.parse(
        {"aliases": {"models": ["house"], "voices": {"nova": "kore", "boss": "fenrir"}}}, "service"
    )
    aliases = spec.aliases_of(HIBARI)
    assert [voice_of(aliases, name, "house") for name in ("nova", "boss", "alloy")] == ["kore", "fenrir", "heart"]
    spec = ServiceSpec.parse({"aliases": {"openai": False, "voices": {"boss": "emma"}}}, "service")
    assert spec.aliases_of(HIBARI) == Aliases(frozenset(), {"boss": "emma"})


def test_voices_of_the_models_options_keep_their_names() -> None:
    spec = ServiceSpec.parse({"model": {"name": "chattts", "options": {"voices": {"nova": {"seed": 3}}}}}, "service")
    assert "nova" not in spec.aliases_of(replace(HIBARI, voices=())).voices


def test_an_alias_of_a_voice_that_is_none_is_refused_by_its_key() -> None:
    spec = ServiceSpec.parse({"aliases": {"voices": {"boss": "fenrix"}}}, "service")
    with pytest.raises(SpecError, match=r'aliases\.voices\.boss is "fenrix", .* did you mean "fenrir"'):
        spec.aliases_of(HIBARI)
