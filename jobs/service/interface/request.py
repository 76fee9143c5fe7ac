"""The request of a client: OpenAI's keys, and `seed` and `stream`; every value is checked against the model.

Guaranteed: any bytes become an input that the model takes, or a `HttpProblem` that names the wrong key. A key with the
value null is as good as absent. Keys that have no effect here are accepted and listed, never dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ....actors.models.base import ModelInfo
from ....actors.records.speech import SpeechInput
from ....actors.text.splitting import normalise
from ....errors import did_you_mean
from ...spec.job import SEED_MAX
from ..http_problem import HttpProblem
from .aliases import Aliases
from .reference import request_reference

_SHOWN_CHARS = 80
_SHOWN_KEYS = 3

STREAMED_FORMATS = ("pcm", "mp3", "opus", "aac")
"""Formats that are streamed by default: common readers open their streams as they open whole files.

A live WAV or FLAC has no length in its header: readers take the one for many hours of audio, and libsndfile refuses the
other."""

IGNORED_KEYS = ("instructions", "language", "lang_code", "metadata", "safety_identifier", "user")
"""Keys that clients send and that have no effect: the voice alone decides language and manner."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The choice that a request has.

    Attributes:
        info: The model
        formats: Audio formats that can hold the model's sample rate
        max_chars: The most characters of a text
        aliases: Other names of the model and its voices
    """

    info: ModelInfo
    formats: Sequence[str]
    max_chars: int
    aliases: Aliases = field(default_factory=Aliases)


class SpeechRequest(BaseModel):
    """The body of `POST /v1/audio/speech`.

    `ref_audio` and `ref_text` are other names of the recording and its words. Keys from `instructions` on have no
    effect here.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )

    input: str
    model: str = ""
    voice: str = ""
    response_format: str = "mp3"
    speed: float = 1.0
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 0
    stream: bool | None = None
    stream_format: Literal["audio", "sse"] = "audio"
    reference_audio: str = ""
    reference_text: str = ""
    ref_audio: str = ""
    ref_text: str = ""
    instructions: Any = None
    language: Any = None
    lang_code: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    user: Any = None

    @field_validator("voice", mode="before")
    @classmethod
    def _named_by_id(cls, voice: Any) -> Any:
        return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice

    @field_validator("response_format", "stream_format", mode="before")
    @classmethod
    def _in_any_case(cls, name: Any) -> Any:
        return name.lower() if isinstance(name, str) else name

    @field_validator("input", "voice", "reference_text", "ref_text")
    @classmethod
    def _is_unicode(cls, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a character, a lone surrogate") from None
        return text

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """A request from the bytes of a body.

        Raises:
            HttpProblem: 400; the message names every wrong key
        """
        values = {key: value for key, value in _decoded(body).items() if value is not None}
        unknown = [key for key in values if key not in cls.model_fields]
        if unknown:
            told = [
                f'"{_short(key)}" is not a key; {did_you_mean(key, cls.model_fields)}' for key in unknown[:_SHOWN_KEYS]
            ]
            raise _wrong(unknown[0], "; ".join(told), "unknown_parameter")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_url=False)
        told = [_explain(detail) for detail in details]
        is_missing = details[0]["type"] == "missing"
        raise _wrong(str(details[0]["loc"][0]), "; ".join(told), "missing_parameter" if is_missing else "invalid_value")

    @property
    def ignored(self) -> list[str]:
        """Keys of the request that have no effect."""
        return [key for key in IGNORED_KEYS if key in self.model_fields_set]

    @property
    def has_reference(self) -> bool:
        """Whether a recording comes with the request, so that reading it takes a moment."""
        return bool(self.reference_audio or self.ref_audio)

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is sent as it is made, else as a whole file with its length."""
        if self.stream is None:
            return self.stream_format == "sse" or self.response_format in STREAMED_FORMATS
        return self.stream

    def speech_input(self, offer: Offer) -> SpeechInput:
        """The input of the model.

        Raises:
            HttpProblem: 400 for a wrong value, 404 for another model; the message names the choice
        """
        info = offer.info
        if not is_served(self.model or info.name, offer):
            raise unknown_model(self.model, info)
        voice = offer.aliases.voice(self.voice) or info.default_voice
        if fault := info.voice_fault(voice):
            raise _wrong("voice", f'"voice" is {_shown(voice)}, which {fault}')
        if self.response_format not in offer.formats:
            told = f'"response_format" is {_shown(self.response_format)}; choose one of {", ".join(offer.formats)}'
            raise _wrong("response_format", told)
        if fault := info.speed_fault(self.speed):
            raise _wrong("speed", f'"speed" is {self.speed:g}; {fault}')
        if self.stream_format == "sse" and not self.is_streamed:
            raise _wrong("stream", '"stream" is false, and "stream_format" is "sse"; leave one of them out')
        if len(self.input) > offer.max_chars:
            told = f'"input" has {len(self.input):,} characters; at most {offer.max_chars:,} are allowed'
            raise _wrong("input", told, "string_above_max_length")
        if not normalise(self.input):
            raise _wrong("input", '"input" holds nothing that can be spoken', "nothing_to_speak")
        audio, words = self.reference_audio or self.ref_audio, self.reference_text or self.ref_text
        reference = request_reference(audio, words, info)
        return SpeechInput(self.input, voice, self.seed, self.speed, reference)


def is_served(name: str, offer: Offer) -> bool:
    """Whether a name is the model's own, or one of its other names."""
    return name == offer.info.name or name in offer.aliases.models


def unknown_model(name: str, info: ModelInfo) -> HttpProblem:
    """The answer to a request for a model that is not served."""
    told = f"the model {_shown(name)} does not exist here; {did_you_mean(name, [info.name])}"
    return HttpProblem(404, told, param="model", code="model_not_found")


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _wrong(None, f"the body is not UTF-8 from byte {error.start} on", "invalid_json") from error
    except RecursionError as error:
        raise _wrong(None, "the body is nested too deeply", "invalid_json") from error
    except ValueError as error:
        raise _wrong(None, f"the body is not valid JSON: {error}", "invalid_json") from error
    if not isinstance(values, dict):
        raise _wrong(None, 'the body must be a JSON object with keys such as "input" and "voice"', "invalid_json")
    return values


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _explain(detail: Any) -> str:
    key = detail["loc"][0]
    if detail["type"] == "missing":
        return f'"{key}" is missing'
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return f'"{key}" is {_shown(detail["input"])}: {message}'


def _shown(value: object) -> str:
    try:
        return _short(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "nested too deeply"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _wrong(param: str | None, message: str, code: str = "invalid_value") -> HttpProblem:
    return HttpProblem(400, message, param=_short(param) if param else None, code=code)
