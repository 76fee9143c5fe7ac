"""What `model.options` of the model `openai` may hold, read and checked before anything is asked of a server.

Guarantees that what comes out is whole and within bounds, and that no key of a server is among it: a key comes from an
environment variable, and the options name that variable. Raises ModelError that names the option and what is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ....errors import ModelError, did_you_mean

AudioAnswer = Literal["wav", "flac", "pcm"]

NEUTRAL = ("urls", "concurrency", "connect_s", "timeout_s", "max_attempts", "retry_s", "away_s", "api_key_env")
"""Options that change no audio: a job goes on with others."""

ANY_VOICE = "default"
"""The voice of rows that name none, where the options name no voices: the server's own, for which no key is sent."""

_SPEECH_PATH = "/audio/speech"
_OWN_KEYS = ("input", "model", "voice", "response_format", "speed", "stream", "stream_format")
_FORMATS = ("wav", "flac", "pcm")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERS: Mapping[str, tuple[type[int] | type[float], float, float]] = {
    "sample_rate": (int, 8_000, 192_000),
    "seed_bits": (int, 8, 63),
    "max_chars": (int, 1, 100_000),
    "max_audio_s": (float, 1, 36_000),
    "concurrency": (int, 1, 1_024),
    "connect_s": (float, 0.01, 3_600),
    "timeout_s": (float, 0.01, 36_000),
    "max_attempts": (int, 1, 100),
    "retry_s": (float, 0.001, 60),
    "away_s": (float, 0.01, 86_400),
}
_FLAGS = ("resample", "stream", "takes_words")


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """All of `model.options`.

    Attributes:
        urls: Addresses that speech is asked of, each with its whole path
        model: The name that the servers have for what speaks; "" to leave it out of requests
        api_key_env: The environment variable of the replicas that holds the servers' key; "" for none
        api_key_header: The header that carries it; "Bearer " stands before the key in "Authorization" alone
        voices: Names that rows may use, each with the keys that it means in a request; empty where any name is sent
        response_format: The format of answers
        sample_rate: Hz, of the answers, and of the model
        resample: Answers of another rate are resampled; else they are refused
        seed_field: The key that takes the seed; "" for servers that take none
        seed_bits: Seeds sent are below 2 to this power
        language_field: The key that takes a row's language; "" for none
        body: Further keys of each request
        languages: Languages that the model speaks
        takes_words: Numbers and abbreviations are written out before texts are sent
        max_chars: The most characters of a request; longer texts are split
        max_audio_s: The longest answer, in seconds of audio
        stream: Streams are taken from the server as they are made, as pcm
        licence: Of what the servers make, as SPDX names it
        concurrency: Requests of one replica that are under way at once, where the job gives no batch size
        connect_s: Seconds to connect
        timeout_s: Seconds of one request, from its first byte to the last of the answer
        max_attempts: Requests for one segment that may fail
        retry_s: Seconds before the second request; it doubles with each further one, up to half a minute
        away_s: Seconds without a good answer, after which the run stops
    """

    urls: tuple[str, ...]
    model: str = ""
    api_key_env: str = ""
    api_key_header: str = "Authorization"
    voices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    response_format: AudioAnswer = "wav"
    sample_rate: int = 24_000
    resample: bool = False
    seed_field: str = ""
    seed_bits: int = 31
    language_field: str = ""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    languages: tuple[str, ...] = ("en",)
    takes_words: bool = False
    max_chars: int = 4_096
    max_audio_s: float = 600.0
    stream: bool = False
    licence: str = ""
    concurrency: int = 8
    connect_s: float = 10.0
    timeout_s: float = 120.0
    max_attempts: int = 5
    retry_s: float = 0.5
    away_s: float = 300.0

    @property
    def max_bytes(self) -> int:
        """Of an answer: two channels of 32 bits, and a mebibyte of headers and tags."""
        return int(self.max_audio_s * max(self.sample_rate, 48_000)) * 8 + 2**20


_KEYS = tuple(EndpointOptions.__dataclass_fields__)


def read_options(raw: Mapping[str, object]) -> EndpointOptions:
    """The options.

    Raises:
        ModelError: For the first that is wrong
    """
    for key in raw:
        if key not in _KEYS:
            raise ModelError(f"model.options.{key} is not an option of openai: {did_you_mean(str(key), _KEYS)}")
    chosen: dict[str, Any] = {"urls": _urls(raw.get("urls"))}
    chosen |= {key: _plain(raw[key], key) for key in raw if key not in ("urls", "voices", "body")}
    if (variable := chosen.get("api_key_env")) and not _VARIABLE.fullmatch(variable):
        # The value is not shown: it may be the key.
        raise ModelError("model.options.api_key_env is no name of an environment variable; never write the key itself")
    own = (*_OWN_KEYS, *(chosen[key] for key in ("seed_field", "language_field") if chosen.get(key)))
    if len(set(own)) < len(own):
        raise ModelError(f"model.options.seed_field and language_field must be keys of their own, not among {own}")
    chosen["voices"] = _voices(raw.get("voices", {}), own)
    chosen["body"] = _body(raw.get("body", {}), "body", own)
    if chosen.get("stream") and chosen.get("resample"):
        raise ModelError("model.options.stream and resample exclude each other: a stream is not resampled")
    return EndpointOptions(**chosen)


def _urls(value: object) -> tuple[str, ...]:
    urls = cast("list[object]", [value] if isinstance(value, str) else value if isinstance(value, list) else [])
    if not urls:
        raise ModelError(
            'model.options.urls is missing: name the servers, as in urls: ["http://127.0.0.1:8000/v1"]'
            if value is None
            else f"model.options.urls is {value!r:.60}; it must be an address, or a list of some"
        )
    read = tuple(_url(url) for url in urls)
    if len(set(read)) < len(read):
        raise ModelError("model.options.urls names a server twice; raise model.batch_size for more requests at once")
    return read


def _url(value: object) -> str:
    wanted = "addresses such as http://127.0.0.1:8000/v1"
    if not isinstance(value, str):
        raise _wrong("urls", value, wanted)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ModelError(f"model.options.urls holds {value!r:.100}, which is no address: {error}") from error
    if "@" in parts.netloc:
        raise ModelError(
            f"model.options.urls: the address of {parts.hostname} holds a name or a password; a job file holds no "
            "secret: put the key into an environment variable, and its name into model.options.api_key_env"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not value.isprintable() or " " in value:
        raise _wrong("urls", value, wanted)
    path = parts.path.rstrip("/")
    path = path if path.endswith(_SPEECH_PATH) else path + _SPEECH_PATH
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, path, parts.query, ""))


def _voices(value: object, own: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    if isinstance(value, list):
        names = cast("list[object]", value)
        value = {_of(str, name, "voices", "text"): name for name in names}
    read: dict[str, Mapping[str, Any]] = {}
    for name, meant in _of(dict, value, "voices", "names, or a map of names").items():
        where = f"voices.{name}"
        if not isinstance(name, str) or not name.strip():
            raise _wrong("voices", name, "names that are text")
        allowed = tuple(key for key in own if key not in ("voice", "model"))
        read[name] = {"voice": meant} if isinstance(meant, str) else _body(meant, where, allowed)
    return read


def _body(value: object, where: str, own: tuple[str, ...]) -> dict[str, Any]:
    body = cast("dict[str, Any]", _of(dict, value, where, "a map of keys and values"))
    for key in body:
        if not isinstance(key, str) or key in own:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ModelError(f"model.options.{where}.{key} is not allowed: rows or other options decide on that key")
    try:
        return json.loads(json.dumps(body, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"model.options.{where}: {error}; use text, numbers, true, false, lists and maps") from error


def _languages(value: object) -> tuple[str, ...]:
    names = cast("list[object]", _of(list, value, "languages", "a list of languages"))
    if not names:
        raise _wrong("languages", value, "a list of at least one language")
    return tuple(_of(str, name, "languages", "a list of text") for name in names)


def _plain(value: object, key: str) -> Any:
    """A value that depends on no other."""
    if key in _NUMBERS:
        return _number(value, key)
    if key == "languages":
        return _languages(value)
    if key == "response_format" and value not in _FORMATS:
        raise _wrong(key, value, f"one of {', '.join(_FORMATS)}")
    return _of(bool, value, key, "true or false") if key in _FLAGS else _of(str, value, key, "text")


def _number(value: object, key: str) -> int | float:
    kind, least, most = _NUMBERS[key]
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value <= most:
        raise _wrong(key, value, f"a{' whole' if kind is int else ''} number from {least:g} to {most:g}")
    return kind(value)


def _of(kind: type[Any], value: object, key: str, wanted: str) -> Any:
    if type(value) is not kind:
        raise _wrong(key, value, wanted)
    return value


def _wrong(key: str, value: object, wanted: str) -> ModelError:
    return ModelError(f"model.options.{key} is {value!r:.60}; it must be {wanted}")
