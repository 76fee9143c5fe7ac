"""The paths of the service, through OpenAI's own client and plain HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.recordings import WORDS, encoded, recording

import speechmill
from speechmill.actors.audio.encoding import decode, encode, pcm16
from speechmill.actors.audio.stream_encoder import LiveEncoder
from speechmill.errors import SpecError
from speechmill.jobs.service.admission import AdmissionLimits
from speechmill.jobs.service.app import create_app
from speechmill.jobs.service.interface.aliases import OPENAI_MODELS

KEY = "a key for tests"
TEXT = "When the rain had stopped, we went out.\n\nIt was cold. Nobody was there, and nobody came."
WANTED = {"model": "tone", "voice": "x", "input": TEXT}


def said(model: Any, **how: Any) -> np.ndarray:
    return pcm16(np.concatenate(list(speechmill.say(TEXT, model=model, **how))))


@pytest.mark.slow
def test_the_client_hears_the_samples_that_python_gets(serve: Any, hibari: Any) -> None:
    served = serve(hibari, key=KEY)
    wanted = {"model": "hibari", "voice": "heart", "input": TEXT, "response_format": "pcm", "speed": 1.25}
    expected = said(hibari.model, voice="heart", seed=7, speed=1.25).astype("<i2").tobytes()
    with (
        served.openai() as client,
        client.audio.speech.with_streaming_response.create(**wanted, extra_body={"seed": 7}) as response,
    ):
        assert response.headers["X-Sample-Rate"] == "24000"
        assert response.headers["X-Seed"] == "7"
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert b"".join(response.iter_bytes()) == expected

    async def hear() -> bytes:
        async with (
            served.async_openai() as client,
            client.audio.speech.with_streaming_response.create(**wanted, extra_body={"seed": 7}) as response,
        ):
            return b"".join([chunk async for chunk in response.iter_bytes()])

    assert asyncio.run(hear()) == expected


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav", "pcm"])
def test_a_whole_file_is_what_a_job_writes_and_a_stream_has_the_same_samples(serve: Any, name: str) -> None:
    served = serve()
    expected = said(served.speaker.model, seed=3)
    status, headers, body = served.speak(**WANTED, response_format=name, seed=3, stream=False)
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    assert body == (expected.astype("<i2").tobytes() if name == "pcm" else encode(expected, 8_000, name))
    status, headers, streamed = served.speak(**WANTED, response_format=name, seed=3, stream=True)
    assert (status, headers["Content-Length"]) == (200, None)
    with LiveEncoder(name, 8_000) as encoder:
        assert headers["Content-Type"] == encoder.mime
        assert streamed == encoder.feed(expected) + encoder.finish()


def test_a_recording_that_comes_with_the_request_is_the_voice(serve: Any, tmp_path: Path) -> None:
    served, data = serve(), encoded(recording(3), form="FLAC")
    (tmp_path / "clip.flac").write_bytes(data)
    wanted = WANTED | {"voice": "", "response_format": "pcm", "reference_audio": base64.b64encode(data).decode()}
    status, _, body = served.speak(**wanted, reference_text=WORDS)
    clip = (tmp_path / "clip.flac", WORDS)
    assert (status, body) == (200, said(served.speaker.model, reference=clip).astype("<i2").tobytes())
    status, _, body = served.speak(**wanted | {"reference_audio": "s3://bucket/clip.flac"}, reference_text=WORDS)
    assert (status, json.loads(body)["error"]["param"]) == (400, "reference_audio")


@pytest.mark.slow
def test_mp3_is_what_comes_unasked(serve: Any) -> None:
    with serve(key=KEY).openai() as client:
        response = client.audio.speech.create(**WANTED)
        assert response.response.headers["Content-Type"] == "audio/mpeg"
        assert len(decode(response.content)[0]) > 8_000


def test_events_hold_the_same_bytes(serve: Any) -> None:
    served = serve()
    status, headers, body = served.speak(**WANTED, response_format="pcm", stream_format="sse")
    assert (status, headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    events = [json.loads(event.removeprefix("data: ")) for event in body.decode().removesuffix("\n\n").split("\n\n")]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert audio == said(served.speaker.model).astype("<i2").tobytes()


def test_headers_tell_where_the_time_went(serve: Any) -> None:
    _, headers, _ = serve().speak(**WANTED, response_format="pcm")
    timings = dict(part.split(";dur=") for part in headers["Server-Timing"].split(", "))
    assert list(timings) == ["queue", "text", "speech"]
    assert (timings["text"], timings["speech"]) == ("250.0", "500.0")
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")


@pytest.mark.slow
def test_the_clients_own_errors(serve: Any, tone: Any, until: Any) -> None:
    import openai

    served = serve(tone(reject="cold"), AdmissionLimits(max_streams=1, max_waiting=0), KEY)
    with served.openai() as client, served.openai("another key") as stranger:
        create = client.audio.speech.create
        with pytest.raises(openai.AuthenticationError):
            stranger.audio.speech.create(**WANTED)
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(openai.NotFoundError) as missing:
            create(**{**WANTED, "model": "tts-2"})
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError, match="choose one of"):
            create(**WANTED, response_format="wma")
        with pytest.raises(openai.BadRequestError, match="which this model refuses") as refused:
            create(**{**WANTED, "input": "It was cold."})
        assert refused.value.code == "text_cannot_be_spoken"
        with pytest.raises(openai.APIStatusError) as large:
            create(**{**WANTED, "input": "x" * 5_000_000})
        assert (large.value.status_code, large.value.code) == (413, "request_too_large")
        served.speaker.is_open.clear()
        with served.connect() as other:
            body = json.dumps(WANTED).encode()
            head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            other.sendall(head.encode() + body)
            until(lambda: served.counts.num_speaking == 1)
            with pytest.raises(openai.RateLimitError) as busy:
                create(**WANTED)
            assert int(busy.value.response.headers["Retry-After"]) >= 1
        until(lambda: served.is_idle)


@pytest.mark.slow
def test_models_and_voices(serve: Any, hibari: Any) -> None:
    import openai

    served = serve(hibari, key=KEY)
    with served.openai() as client:
        assert [model.id for model in client.models.list()] == ["hibari"]
        assert client.models.retrieve("hibari").owned_by == "speechmill"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("ft:a/b")
    status, _, body = served.ask("GET", "/v1/voices", Authorization=f"bearer {KEY}")
    assert (status, json.loads(body)) == (
        200,
        {
            "model": "hibari",
            "default": "heart",
            "voices": list(hibari.info.voices),
            "sample_rate": 24_000,
            "languages": dict.fromkeys(hibari.info.voices, "en") | {"emma": "en-GB", "fable": "en-GB"},
            "formats": ["pcm", "wav", "flac", "opus", "mp3", "aac"],
            "speeds": [0.25, 4.0],
            "max_chars": 4096,
            "is_any_voice": False,
            "audio_char_s": hibari.info.audio_char_s,
            "chunk_chars": 400,
        },
    )


def test_lists_of_models_and_voices_for_clients_that_look_below_audio(serve: Any, hibari: Any) -> None:
    served = serve(hibari)
    models = json.loads(served.ask("GET", "/v1/audio/models")[2])
    assert [model["id"] for model in models["models"]] == [model["id"] for model in models["data"]] == ["hibari"]
    assert set(models["aliases"]) == set(OPENAI_MODELS)
    voices = json.loads(served.ask("GET", "/v1/audio/voices")[2])
    assert [(voice["id"], voice["name"]) for voice in voices["voices"]] == [(v, v) for v in hibari.info.voices]
    assert voices["aliases"]["alloy"] == voices["default"] == "heart"
    for path in ("/v1/models/", "/v1//models", "/v1/models"):
        assert json.loads(served.ask("GET", path)[2])["data"] == models["data"]
    assert json.loads(served.ask("GET", "/audio/voices")[2])["error"]["message"].endswith("mean /v1/audio/voices?")


def test_headers_tell_what_a_request_meant_and_what_had_no_effect(serve: Any, hibari: Any) -> None:
    served = serve(hibari)
    status, headers, body = served.speak(
        input="Hi.", model="tts-1", voice="ash", instructions="Calm.", user="u", response_format="PCM"
    )
    assert (status, headers["X-Model"], headers["X-Voice"]) == (200, "hibari", "heart")
    assert headers["X-Ignored-Keys"] == "instructions, user"
    plain = served.speak(input="Hi.", model="hibari", voice="heart", response_format="pcm")
    assert plain[2] == body
    assert not {"X-Model", "X-Voice", "X-Ignored-Keys"} & set(plain[1])


def test_formats_that_cannot_hold_the_rate_are_not_offered(serve: Any, tone: Any) -> None:
    served = serve(tone(sample_rate=44_100))
    assert json.loads(served.ask("GET", "/v1/voices")[2])["formats"] == ["pcm", "wav", "flac", "mp3", "aac"]
    assert served.speak(**WANTED, response_format="opus")[0] == 400


@pytest.mark.parametrize(
    "path", ["/", "/page/index.html", "/page/page.js", "/page.js", "/health", "/ready", "/openapi.json"]
)
def test_these_are_open(served_with_key: Any, path: str) -> None:
    served = served_with_key
    status, headers, body = served.ask("GET", path)
    assert (status, bool(body)) == (200, True)
    assert served.ask("HEAD", path)[::2] == (200, b"")
    if "page" in path or path == "/":
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert served.ask("GET", path, If_None_Match=headers["ETag"])[::2] == (304, b"")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {KEY}", KEY, f"Bearer {KEY}x", f"Bearer x{KEY}", "Bearer \xff\xfe"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/tone",
        "/v1/audio/models",
        "/v1/audio/voices",
        "/v1/voices",
        "/v1//voices/",
        "/v1/audio/speech",
    ],
)
def test_the_rest_needs_the_key(served_with_key: Any, path: str, authorization: str | None) -> None:
    given = {} if authorization is None else {"Authorization": authorization}
    method = "POST" if path.endswith("speech") else "GET"
    status, headers, body = served_with_key.ask(method, path, **given)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert json.loads(body)["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/page/", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e/app.py", 404),
        ("GET", "/page//etc/passwd", 404),
        ("GET", "/page/x%00.js", 404),
        ("GET", "/%ff", 404),
        ("GET", "/v1/audio/speech", 405),
        ("PUT", "/v1/audio/speech", 405),
        ("OPTIONS", "/v1/audio/speech", 405),
        ("HEAD", "/v1/audio/speech", 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/", 405),
    ],
)
def test_other_paths_and_methods(served_with_key: Any, method: str, path: str, status: int) -> None:
    given, headers, body = served_with_key.ask(method, path, Authorization=f"Bearer {KEY}")
    assert given == status
    if status == 405:
        assert headers["Allow"]
    if method != "HEAD":
        assert json.loads(body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_other_types_are_refused(served_with_key: Any, content_type: str) -> None:
    answer = served_with_key.ask(
        "POST", "/v1/audio/speech", b'{"input": "x"}', Content_Type=content_type, Authorization=f"Bearer {KEY}"
    )
    assert (answer[0], json.loads(answer[2])["error"]["code"]) == (415, "unsupported_media_type")


@pytest.fixture(scope="module")
def served_with_key(serve_module: Any) -> Any:
    return serve_module(key=KEY)


def test_other_origins_only_where_they_are_allowed(serve: Any) -> None:
    asking = {"Origin": "https://a.example", "Access_Control_Request_Method": "POST"}
    closed, one = serve(), serve(key=KEY, allow_origins=["https://a.example"])
    assert closed.ask("OPTIONS", "/v1/audio/speech", **asking)[0] == 405
    # What OpenAI's package sends from a browser.
    kinds = ("arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout")
    sent = ",".join(["authorization", "content-type", *(f"x-stainless-{kind}" for kind in kinds)])
    status, headers, _ = one.ask("OPTIONS", "/v1/audio/speech", **asking, Access_Control_Request_Headers=sent)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")
    assert headers["Access-Control-Allow-Headers"] == sent
    assert one.ask("OPTIONS", "/v1/audio/speech", **{**asking, "Origin": "https://b.example"})[0] == 400
    for served, expected in ((closed, None), (one, "https://a.example")):
        _, headers, _ = served.ask("GET", "/v1/models", Origin="https://a.example")  # refused or not, it may be read
        assert headers["Access-Control-Allow-Origin"] == expected


def test_one_line_for_each_request_and_nothing_of_what_it_said(serve: Any, caplog: Any, until: Any) -> None:
    served = serve(key=KEY)
    with caplog.at_level(logging.DEBUG, "speechmill.service"):
        served.ask("POST", "/v1/audio/speech", WANTED, Authorization=f"Bearer {KEY}")
        until(lambda: len(caplog.records) == 1)
        served.ask("POST", "/v1/audio/speech", {"input": "a secret", "nobody": 1}, Authorization=f"Bearer {KEY}")
        served.ask("GET", "/v1/secret?text=secret")
        served.ask("GET", "/ready")
        until(lambda: len(caplog.records) == 4)
    spoken, refused, unknown, ready = [record.getMessage() for record in caplog.records]
    assert spoken.startswith("POST /v1/audio/speech 200 in ")
    assert f"{len(TEXT)} characters, first audio after " in spoken
    assert refused.startswith("POST /v1/audio/speech 400 in ")
    assert refused.endswith("unknown_parameter")
    assert unknown.startswith("GET - 404 in ")
    assert ready.startswith("GET /ready 200 in ")
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3 + ["DEBUG"]
    for line in (spoken, refused, unknown, ready):
        assert not any(word in line for word in ("secret", "rain", KEY))
    assert served.counts.statuses == [200, 400, 404, 200]
    assert len(served.counts.first_audio_s) == len(served.counts.audio_s) == 1
    assert served.counts.audio_s == [pytest.approx(len(said(served.speaker.model)) / 8_000)]


def test_a_wrong_hash_is_refused_at_once(tone: Any) -> None:
    with pytest.raises(SpecError, match="64 hexadecimal digits"):
        create_app(tone(), AdmissionLimits(), "not a hash", chunk_chars=0)
