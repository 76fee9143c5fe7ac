"""The description of the HTTP interface, OpenAPI 3.1: paths, the keys of a request, and all statuses of answers.

Guaranteed: keys and bounds are those of `SpeechRequest` and of the model, so the description is as true as the checks
are. It names no voice: who has no key does not see what the service has.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..answer.encoding import mime_of
from .request import IGNORED_KEYS, STREAMED_FORMATS, Offer, SpeechRequest

Json = dict[str, Any]

_ABOUT = {
    "input": "The text to speak.",
    "model": "The model's name or one of its aliases. GET /v1/audio/models lists them.",
    "voice": "A voice or an alias of one. GET /v1/audio/voices lists them. Left out: the model's own.",
    "response_format": "The format of the audio. Upper case is the same.",
    "speed": "1 is the voice's own pace.",
    "seed": "The same request with the same seed gives the same audio.",
    "stream": f"Send the audio while it is made. Left out: true for {', '.join(STREAMED_FORMATS)} and for sse.",
    "reference_audio": "A recording to speak with the voice of, base64 of an audio file. No path or address is opened.",
    "reference_text": "The words in the recording.",
    "ref_audio": "The same as reference_audio.",
    "ref_text": "The same as reference_text.",
    "stream_format": "sse: the audio in OpenAI's server-sent events.",
}
_PROBLEMS = {
    "400": "The body, a key or a value is wrong, or the text cannot be spoken. `error.param` names the key.",
    "401": "The key is wrong or missing.",
    "404": "There is no such path or model.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not JSON by its Content-Type.",
    "429": "Too many requests wait. Retry-After tells when to ask again.",
    "500": "The service failed. Its log tells more.",
    "503": "The service starts or stops, or a replica was lost. Ask again after the seconds of Retry-After.",
    "504": "There was no audio in time.",
}
_BRIEF = ("401", "500", "503")
_HEADERS = {
    "X-Sample-Rate": "Hz",
    "X-Seed": "The seed that was used",
    "X-Ignored-Keys": "Keys of the request that had no effect",
    "X-Model": "The model that the request named by an alias",
    "X-Voice": "The voice that the request named by an alias",
    "Server-Timing": "Milliseconds until the first audio, by kind of work",
}
_STRING: Json = {"type": "string"}
_ENTRIES: Json = {
    "type": "array",
    "items": {"type": "object", "required": ["id"], "properties": {"id": _STRING, "name": _STRING}},
}


def describe_api(offer: Offer, *, needs_key: bool) -> Json:
    """The whole description, to be sent as JSON.

    Args:
        needs_key: The paths below /v1 need a bearer token
    """
    kept: Json = {"security": [{"key": []}]} if needs_key else {}
    paths: Json = {
        "/v1/audio/speech": {"post": _speech(offer) | kept},
        "/v1/models": {"get": _get("models", "The model, as OpenAI lists models", _listed("data")) | kept},
        "/v1/models/{name}": {"get": _one_model() | kept},
        "/v1/audio/models": {"get": _get("audio_models", "The model and its aliases", _listed("models")) | kept},
        "/v1/audio/voices": {"get": _get("audio_voices", "Voices and their aliases", _listed("voices")) | kept},
        "/v1/voices": {"get": _get("voices", "What a player of streams has to know", _object()) | kept},
        "/health": {"get": _get("health", "Whether the process answers", _object("status"), ("500",))},
        "/ready": {"get": _get("ready", "Whether the model is loaded", _object("status"), ("500",))},
        "/openapi.json": {"get": _get("openapi", "This description", _object("openapi"), ("500",))},
    }
    # Not the form of errors: the state of the service has the same form when it is not ready.
    paths["/ready"]["get"]["responses"]["503"] = _json("The model is not loaded", _object("status"))
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "speechmill", "version": version("speechmill"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": {"SpeechRequest": request_schema(offer), "Error": _error()}},
    }
    if needs_key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def request_schema(offer: Offer) -> Json:
    """The JSON schema of a request's body."""
    schema = SpeechRequest.model_json_schema()
    keys: dict[str, Json] = {name: _key(name, value) for name, value in schema["properties"].items()}
    keys["input"] |= {"minLength": 1, "maxLength": offer.max_chars}
    named_by_id = {"type": "object", "required": ["id"], "properties": {"id": _STRING}, "additionalProperties": False}
    keys["voice"] |= {"anyOf": [_STRING, named_by_id]}
    keys["voice"].pop("type")
    keys["response_format"] |= {"enum": list(offer.formats)}
    keys["speed"] |= {"minimum": offer.info.speeds[0], "maximum": offer.info.speeds[1]}
    for name in keys.keys() - {"input"} - set(IGNORED_KEYS):
        keys[name] = _or_null(keys[name])
    # A key that is null is as good as absent, also an unknown one: clients send all keys that they know of.
    others = {"type": "null"}
    return {"type": "object", "required": ["input"], "additionalProperties": others, "properties": keys}


def _key(name: str, found: Mapping[str, Any]) -> Json:
    kept = {key: value for key, value in found.items() if key != "title"}
    if name in IGNORED_KEYS:
        return {"description": "Accepted from OpenAI's clients; has no effect."}
    return kept | {"description": _ABOUT[name]}


def _or_null(key: Json) -> Json:
    """A key whose value may be null, which means that the key is left out."""
    about = {name: key.pop(name) for name in ("description", "default") if name in key}
    choice = [part for part in key.pop("anyOf", [key]) if part != {"type": "null"}]
    return {name: value for name, value in about.items() if value is not None} | {"anyOf": [*choice, {"type": "null"}]}


def _speech(offer: Offer) -> Json:
    audio = {mime_of(name, offer.info.sample_rate).partition(";")[0]: {} for name in offer.formats}
    # OpenAPI 3.1 has no schema for a stream of events.
    events: Json = {"text/event-stream": {}}
    body = {"schema": {"$ref": "#/components/schemas/SpeechRequest"}}
    spoken = {
        "description": "Speech. It is complete if the answer ends as HTTP says.",
        "headers": {name: {"description": about, "schema": _STRING} for name, about in _HEADERS.items()},
        "content": audio | events,
    }
    return {
        "operationId": "speech",
        "summary": "Speak a text",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": spoken, **_problems(*_PROBLEMS)},
    }


def _one_model() -> Json:
    operation = _get("model", "The model, by its name or an alias", _object("id"), ("404", *_BRIEF))
    name: Json = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return operation | {"parameters": [name]}


def _get(name: str, summary: str, schema: Json, problems: tuple[str, ...] = _BRIEF) -> Json:
    responses = {"200": _json(summary, schema), **_problems(*problems)}
    return {"operationId": name, "summary": summary, "responses": responses}


def _problems(*statuses: str) -> Json:
    return {status: _json(_PROBLEMS[status], {"$ref": "#/components/schemas/Error"}) for status in statuses}


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _listed(name: str) -> Json:
    return {"type": "object", "required": [name], "properties": {name: _ENTRIES}}


def _object(*required: str) -> Json:
    return {"type": "object", "required": list(required)}


def _error() -> Json:
    keys = {"message": _STRING, "type": _STRING, "param": {"type": ["string", "null"]}, "code": _STRING}
    error = {"type": "object", "required": list(keys), "properties": keys}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
