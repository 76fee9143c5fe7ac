"""The messages of a WebSocket of speech: those that vLLM-Omni's clients send, checked, and those that answer them.

Guaranteed: any text becomes a message or a `HttpProblem` that names the wrong key. Keys and bounds are those of a
request over HTTP. Pure: this module sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....actors.records.speech import SpeechInput
from ....errors import did_you_mean
from ..http_problem import HttpProblem
from ..interface.request import Offer, SpeechRequest, decoded

WITHOUT_EFFECT = (
    "task_type",
    "language",
    "instructions",
    "max_new_tokens",
    "initial_codec_chunk_frames",
    "non_streaming_mode",
    "x_vector_only_mode",
    "split_granularity",
)
"""Keys of `session.config` that clients of vLLM-Omni send and that have no effect here."""

_SHOWN_CHARS = 80
_SPEECH_KEYS = ("model", "voice", "speed", "seed", "response_format")
_CONFIG_KEYS = (*_SPEECH_KEYS, "speaker", "stream_audio", "streaming_mode", "word_timestamps", *WITHOUT_EFFECT)
_TYPES = ("session.config", "input.text", "input.commit", "input.done", "session.close")


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """`session.config`: how the utterances that follow are spoken.

    Attributes:
        speech: Voice, seed and speed, valid for the model; without a text
        format: Of the audio
        is_streamed: Audio is sent as it is made, else as a whole file
        ignored: Keys that had no effect
    """

    speech: SpeechInput
    format: str
    is_streamed: bool
    ignored: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class InputText:
    """`input.text`: the next part of an utterance's text; any cut is right."""

    text: str


@dataclass(frozen=True, slots=True)
class InputCommit:
    """`input.commit`: the client names a place in the text, and is told that it was reached."""

    commit_id: str


@dataclass(frozen=True, slots=True)
class InputDone:
    """`input.done`: the utterance's text is complete."""


@dataclass(frozen=True, slots=True)
class SessionClose:
    """`session.close`: the client wants no more."""


ClientMessage = SessionConfig | InputText | InputCommit | InputDone | SessionClose


def parse_message(data: str, offer: Offer) -> ClientMessage:
    """The message of a text frame.

    Raises:
        HttpProblem: It is none, or a key of it is wrong; 404 for another model
    """
    values = decoded(data.encode("utf-8", "surrogatepass"), "the message")
    match values.pop("type", None):
        case "session.config":
            return _config(values, offer)
        case "input.text":
            return InputText(_text(values, offer.max_chars))
        case "input.commit":
            return InputCommit(str(values.get("commit_id", ""))[:_SHOWN_CHARS])
        case "input.done":
            return InputDone()
        case "session.close":
            return SessionClose()
        case other:
            known = did_you_mean(other, _TYPES) if isinstance(other, str) else f"choose one of {', '.join(_TYPES)}"
            raise _wrong("type", f'"type" is {json.dumps(other)[:_SHOWN_CHARS]}; {known}')


def error_message(problem: HttpProblem, **more: object) -> dict[str, object]:
    """The answer `error`."""
    told: dict[str, object] = {
        "type": "error",
        "message": str(problem),
        "code": problem.code,
        "param": problem.param,
        **more,
    }
    if (seconds := problem.headers.get("Retry-After")) is not None:
        told["retry_after_s"] = int(seconds)
    return told


def _config(values: Mapping[str, Any], offer: Offer) -> SessionConfig:
    given = {key: value for key, value in values.items() if value is not None}
    if unknown := [key for key in given if key not in _CONFIG_KEYS]:
        told = f'"{unknown[0][:_SHOWN_CHARS]}" is not a key of session.config; {did_you_mean(unknown[0], _CONFIG_KEYS)}'
        raise _wrong(unknown[0][:_SHOWN_CHARS], told, "unknown_parameter")
    if given.get("word_timestamps") not in (None, False):
        raise _wrong("word_timestamps", '"word_timestamps": there are none here; leave it out')
    # Modes in which vLLM-Omni takes text while it speaks, as is always done here; their clients read a stream.
    is_streamed = given.get("stream_audio", "streaming_mode" in given)
    if not isinstance(is_streamed, bool):
        raise _wrong("stream_audio", '"stream_audio" is neither true nor false')
    wanted = {key: given[key] for key in _SPEECH_KEYS if key in given}
    wanted.setdefault("response_format", "pcm" if is_streamed else "wav")
    if "voice" not in wanted and "speaker" in given:
        wanted["voice"] = given["speaker"]
    # Checked as a request is; the text comes later.
    request = SpeechRequest.of({**wanted, "input": "x"})
    speech = replace(request.speech_input(offer), text="")
    ignored = [key for key in WITHOUT_EFFECT if key in given]
    return SessionConfig(speech, request.response_format, is_streamed, ignored)


def _text(values: Mapping[str, Any], max_chars: int) -> str:
    text = values.get("text", "")
    if not isinstance(text, str):
        raise _wrong("text", '"text" of input.text is no string')
    if len(text) > max_chars:
        told = f'"text" has {len(text):,} characters; at most {max_chars:,} are allowed'
        raise _wrong("text", told, "string_above_max_length")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _wrong("text", '"text" holds half of a character, a lone surrogate') from None
    return text


def _wrong(param: str, message: str, code: str = "invalid_value") -> HttpProblem:
    return HttpProblem(400, message, param=param, code=code)
