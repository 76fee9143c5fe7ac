"""Text in while audio goes out, over a real WebSocket: what is said, every end, every limit; then many at once."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import wave
from typing import Any

import numpy as np
import pytest
from support.growing import Typist
from support.waiting import HANG_S
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

import speechmill
from speechmill.actors.audio.encoding import pcm16
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.records.utterance import Segment
from speechmill.errors import ReplicasLost, RowRejected
from speechmill.jobs.service.admission import AdmissionLimits

KEY = "a key/for tests"
TEXT = "When the rain had stopped, we went out. It was no. 5, on May 5, 2020, and it cost $5 000. We laughed."
STREAMED = {"type": "session.config", "stream_audio": True, "response_format": "pcm", "seed": 7}


def tell(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def too_late(socket: ClientConnection, *parts: str, is_done: bool = True) -> None:
    """Configure and write to a service that may close the connection at any moment."""
    with contextlib.suppress(ConnectionClosed):
        tell(socket, **STREAMED)
        write(socket, *parts, is_done=is_done)


def write(socket: ClientConnection, *parts: str, is_done: bool = True) -> None:
    for part in parts:
        tell(socket, type="input.text", text=part)
    if is_done:
        tell(socket, type="input.done")


def answers(socket: ClientConnection, until: str = "session.done") -> tuple[list[dict[str, Any]], bytes]:
    """The messages up to one of a type, and the audio among them."""
    told: list[dict[str, Any]] = []
    audio = bytearray()
    while not told or told[-1]["type"] != until:
        message = socket.recv(HANG_S)
        if isinstance(message, bytes):
            audio += message
        else:
            told.append(json.loads(message))
    return told, bytes(audio)


def closing(socket: ClientConnection) -> tuple[int, str]:
    """The code and the reason of the connection's end."""
    while True:
        try:
            socket.recv(HANG_S)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason


def said(served: Any, text: str, **how: Any) -> bytes:
    """What Python gives for a text that arrives."""
    speech = speechmill.say(iter([text]), model=served.speaker.model, **how)
    return b"".join(pcm16(piece).astype("<i2").tobytes() for piece in speech)


@pytest.fixture(scope="module")
def shared(serve_module: Any) -> Any:
    return serve_module(limits=AdmissionLimits(max_chars=2_000, max_body_bytes=20_000, max_streams=4))


# What is said


def test_however_a_text_arrives_its_audio_is_that_of_python(shared: Any, until: Any) -> None:
    wanted = said(shared, TEXT, seed=7)
    for parts in ([TEXT], list(TEXT), [f"{word} " for word in TEXT.split()]):
        with shared.live() as socket:
            tell(socket, **STREAMED)
            write(socket, *parts)
            told, audio = answers(socket)
        assert audio == wanted
        assert [message["type"] for message in told] == ["audio.start", "audio.done", "session.done"]
        start, done, end = told
        assert (start["sample_rate"], start["format"], start["seed"], start["sentence_index"]) == (8_000, "pcm", 7, 0)
        assert {"queue", "text", "speech"} <= set(start["timings_ms"])
        assert (done["total_bytes"], done["error"]) == (len(wanted), False)
        assert (end["utterance_index"], end["total_sentences"]) == (0, 1)
    until(lambda: shared.is_idle)


def test_the_first_audio_comes_before_the_text_has_ended(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        write(socket, "When the rain had stopped, we", is_done=False)
        (start,), _ = answers(socket, "audio.start")
        assert start["sentence_text"].startswith("When the rain")
        assert isinstance(socket.recv(HANG_S), bytes)
        write(socket, " went out.")
        answers(socket)


def test_utterances_one_after_the_other_each_with_the_voice_of_its_config(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        write(socket, TEXT)
        tell(socket, **STREAMED | {"speed": 2.0})
        write(socket, "  \n", TEXT)
        tell(socket, type="input.done")
        for index, speed in enumerate((1.0, 2.0)):
            told, audio = answers(socket)
            assert {message["utterance_index"] for message in told} == {index}
            assert audio == said(shared, TEXT, seed=7, speed=speed)
        told, audio = answers(socket)
        assert (told, audio) == ([{"type": "session.done", "utterance_index": 2, "total_sentences": 0}], b"")
        tell(socket, type="session.close")
        assert closing(socket) == (1000, "")


def test_a_model_whose_rows_grow_gets_word_by_word_what_it_speaks_as_a_job_does(serve: Any, tone: Any) -> None:
    speaker = tone()
    speaker.model = model = Typist(ModelConfig("typist"))
    assert model.reserve(10**9, 3) == 3
    text = "When the rain had stopped we went out, all of us. It was cold! None of us had told them so."
    row = model.speak([Segment(0, 0, text, model.prepare(text, "one"), 7, "one", 1.0)])[0]
    served = serve(speaker)
    for parts in ([text], list(text)):
        with served.live() as socket:
            tell(socket, **STREAMED)
            write(socket, *parts)
            assert answers(socket)[1] == pcm16(row).astype("<i2").tobytes()
    with served.live() as socket:
        tell(socket, **STREAMED)
        write(socket, text[:40], is_done=False)
        answers(socket, "audio.start")  # in the middle of a sentence


def test_clients_that_want_files_get_one_for_each_utterance(shared: Any) -> None:
    """The defaults of vLLM-Omni's clients: a whole WAV file in one message; other keys of theirs have no effect."""
    with shared.live() as socket:
        how = {
            "speaker": "sine",
            "task_type": "CustomVoice",
            "language": "Auto",
            "response_format": "wav",
            "speed": 1.0,
        }
        tell(socket, type="session.config", model=None, **how)
        write(socket, TEXT)
        told, _ = answers(socket, "audio.start")
        data = socket.recv(HANG_S)
        answers(socket)
    assert told[0]["ignored_keys"] == ["task_type", "language"]
    with wave.open(io.BytesIO(data)) as file:
        assert len(file.readframes(file.getnframes())) == len(said(shared, TEXT))


def test_places_in_the_text_may_be_named(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, type="session.config", streaming_mode="sentence_commit", response_format="pcm", seed=7)
        for number, part in enumerate(["It was cold,", " and we laughed."]):
            tell(socket, type="input.text", text=part)
            tell(socket, type="input.commit", commit_id=f"part-{number}")
        tell(socket, type="input.done")
        told, audio = answers(socket)
    assert [message["commit_id"] for message in told if message["type"] == "input.committed"] == ["part-0", "part-1"]
    assert audio == said(shared, "It was cold, and we laughed.", seed=7)


def test_other_formats_are_streamed_as_well(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED | {"response_format": "mp3"})
        write(socket, TEXT)
        told, audio = answers(socket)
    assert told[0]["format"] == "mp3"
    assert len(audio) > 1_000


# What is wrong


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ("[" * 10_000, "invalid_json", None),
        ("{}", "invalid_value", "type"),
        ('{"type": "input.txt"}', "invalid_value", "type"),
        ('{"type": ["x"]}', "invalid_value", "type"),
        ('{"type": "input.text", "text": 5}', "invalid_value", "text"),
        ('{"type": "input.text", "text": "\\ud800"}', "invalid_value", "text"),
        (json.dumps({"type": "input.text", "text": "a" * 2_001}), "string_above_max_length", "text"),
        ('{"type": "session.config", "voic": "x"}', "unknown_parameter", "voic"),
        ('{"type": "session.config", "ref_audio": "x"}', "unknown_parameter", "ref_audio"),
        ('{"type": "session.config", "model": "other"}', "model_not_found", "model"),
        ('{"type": "session.config", "speed": 100}', "invalid_value", "speed"),
        ('{"type": "session.config", "stream_audio": 1}', "invalid_value", "stream_audio"),
        ('{"type": "session.config", "word_timestamps": true}', "invalid_value", "word_timestamps"),
    ],
)
def test_a_wrong_message_is_named_and_changes_nothing(shared: Any, sent: str, code: str, param: str | None) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        socket.send(sent)
        write(socket, "It was ", is_done=False)
        socket.send(sent)
        write(socket, "cold.")
        told, audio = answers(socket)
        errors = [message for message in told if message["type"] == "error"]
        assert [(error["code"], error["param"]) for error in errors] == [(code, param)] * 2
        assert audio == said(shared, "It was cold.", seed=7)
    with shared.live() as socket:  # nothing goes before a config
        socket.send(sent)
        told, _ = answers(socket, "error")
        assert (told[0]["code"], closing(socket)) == (code, (1008, code))


def test_text_before_a_config_and_bytes_and_large_messages_end_the_connection(shared: Any, until: Any) -> None:
    with shared.live() as socket:
        write(socket, "It was cold.")
        assert closing(socket) == (1008, "invalid_value")
    with shared.live() as socket:
        socket.send(b"bytes")
        assert closing(socket) == (1003, "text_only")
    with shared.live() as socket:
        socket.send("x" * 20_001)
        assert closing(socket) == (1009, "request_too_large")
    until(lambda: shared.is_idle)


def test_a_config_does_not_change_what_has_begun(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        write(socket, "It was ", is_done=False)
        tell(socket, **STREAMED | {"speed": 2.0})
        write(socket, "cold.")
        told, audio = answers(socket)
        assert [message["type"] for message in told if message["type"] == "error"] == ["error"]
        assert audio == said(shared, "It was cold.", seed=7)


def test_a_text_that_cannot_be_spoken_fails_alone(shared: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        write(socket, "a" * 600)
        told, audio = answers(socket)
        assert [message.get("code", message["type"]) for message in told] == ["text_cannot_be_spoken", "session.done"]
        assert audio == b""
        write(socket, "It was cold.")
        assert answers(socket)[1] == said(shared, "It was cold.", seed=7)


def test_an_utterance_that_is_too_long_is_broken_off_and_the_next_is_spoken(shared: Any, until: Any) -> None:
    with shared.live() as socket:
        tell(socket, **STREAMED)
        write(socket, *["This goes on and on. "] * 110)
        told, _ = answers(socket)
        error = next(message for message in told if message["type"] == "error")
        assert error["code"] == "string_above_max_length"
        write(socket, "It was cold.")
        assert answers(socket)[1] == said(shared, "It was cold.", seed=7)
    until(lambda: shared.is_idle)


@pytest.mark.parametrize("num_before", [0, 2])
@pytest.mark.parametrize(
    ("failure", "code", "close"),
    [
        (RowRejected("a word"), "text_cannot_be_spoken", None),
        (ReplicasLost("it died"), "replica_lost", 1013),
        (ValueError("a secret"), "internal_error", 1011),
    ],
)
def test_errors_of_the_model(
    serve: Any, until: Any, num_before: int, failure: Exception, code: str, close: int | None
) -> None:
    served = serve()
    served.speaker.failures = {num_before: failure}
    with served.live() as socket:
        tell(socket, **STREAMED)
        write(socket, TEXT)
        told, _ = answers(socket, "error")
        assert (told[-1]["code"], told[-1].get("partial_audio", False)) == (code, num_before > 0)
        assert "secret" not in json.dumps(told)
        if num_before:
            assert answers(socket, "audio.done")[0][-1]["error"] is True
        if close is None:
            assert answers(socket)[0][-1]["total_sentences"] == 1
        else:
            assert closing(socket) == (close, code)
    until(lambda: served.is_idle)
    assert served.counts.statuses[0] == (200 if num_before else {1013: 503, 1011: 500}.get(close or 0, 400))
    assert served.counts.num_cancelled == 0


# Who may connect


def test_a_key_in_the_header_or_in_a_subprotocol(serve: Any, until: Any) -> None:
    served = serve(key=KEY)
    coded = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    with served.live(KEY) as socket:
        assert socket.subprotocol is None
    with served.live(subprotocols=["speechmill", f"speechmill.bearer.{coded}"]) as socket:
        assert socket.subprotocol == "speechmill"
    for how in ({}, {"key": "other"}, {"subprotocols": ["speechmill", "speechmill.bearer.AAAA"]}):
        with pytest.raises(InvalidStatus) as refused, served.live(**how):
            pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"
    # A connection counts once it has ended, which may be after the next was refused.
    until(lambda: sorted(served.counts.statuses) == [101, 101, 401, 401, 401])
    until(lambda: served.is_idle)


def test_pages_of_other_origins_may_not_connect(serve: Any) -> None:
    served = serve(allow_origins=["https://a.example"])
    for origin in (served.url, "https://a.example"):
        with served.live(origin=origin):
            pass
    for origin in ("https://b.example", "null", "http://[", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused, served.live(origin=origin):
            pass
        assert refused.value.response.status_code == 403


def test_no_more_connections_than_the_limit(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_connections=1))
    with served.live():
        with pytest.raises(InvalidStatus) as refused, served.live():
            pass
        assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (429, "5")
    until(lambda: served.is_idle)
    with served.live():
        pass


# Ends and limits


def test_a_client_that_leaves_is_noticed_at_once(serve: Any, tone: Any, until: Any) -> None:
    served = serve(tone(batch_s=0.01), AdmissionLimits(max_streams=1))
    with served.live() as socket:
        tell(socket, **STREAMED)
        write(socket, TEXT * 10, is_done=False)
        answers(socket, "audio.start")
    until(lambda: served.is_idle and served.counts.num_cancelled == 1)
    until(lambda: served.counts.statuses == [200, 101])


def test_one_that_leaves_while_it_waits_for_a_place(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1))
    with served.live() as first, served.live() as second:
        for socket in (first, second):
            tell(socket, **STREAMED)
            write(socket, "It was", is_done=False)
            until(lambda: served.counts.num_speaking == 1)
        until(lambda: served.counts.num_waiting == 1)
        second.close()
        until(lambda: served.counts.num_waiting == 0)
        write(first, " cold.")
        assert answers(first)[1] == said(served, "It was cold.", seed=7)
    until(lambda: served.is_idle)


def test_no_place_in_time(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1, max_waiting=0))
    with served.live() as first, served.live() as second:
        tell(first, **STREAMED)
        write(first, "It was", is_done=False)
        until(lambda: served.counts.num_speaking == 1)
        tell(second, **STREAMED)
        write(second, "It was", is_done=False)
        told, _ = answers(second, "error")
        assert (told[0]["code"], told[0]["retry_after_s"] >= 1) == ("rate_limit_exceeded", True)
        assert closing(second) == (1013, "rate_limit_exceeded")
    until(lambda: served.is_idle)


def test_idle_clients_are_closed_and_cost_no_place(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1, idle_text_s=0.05, body_s=0.05))
    with served.live() as socket:
        assert closing(socket) == (1008, "request_timeout")
    for begun in ("", "It was"):
        with served.live() as socket:
            too_late(socket, begun, is_done=False)
            assert closing(socket) == (1008, "request_timeout")
        until(lambda: served.is_idle)


def test_no_audio_in_time(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(first_audio_s=0.05))
    served.speaker.is_open.clear()
    with served.live() as socket:
        too_late(socket, TEXT)
        assert closing(socket) == (1011, "timeout")
    until(lambda: served.is_idle)


def test_a_reader_that_takes_nothing_is_cut_off(serve: Any, tone: Any, until: Any) -> None:
    served = serve(tone(audio_char_s=1.0), AdmissionLimits(max_streams=1, idle_write_s=0.1))
    with served.live(max_queue=1, close_timeout=0.1) as socket:
        tell(socket, **STREAMED)
        write(socket, TEXT * 30)
        until(lambda: served.counts.first_audio_s)
        until(lambda: served.is_idle and served.counts.num_cancelled == 1)
    with served.live() as socket:
        tell(socket, **STREAMED)
        write(socket, "Hi.")
        assert answers(socket)[0][-1]["type"] == "session.done"  # short enough for the buffers between


def test_a_text_that_goes_on_and_on_after_its_failure_is_cut_off(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(total_s=0.5))
    served.speaker.failures = {0: RowRejected("a word")}
    with served.live() as socket:
        tell(socket, **STREAMED)
        write(socket, TEXT, is_done=False)
        answers(socket, "error")
        answers(socket, "error")
        assert closing(socket) == (1008, "request_timeout")
    until(lambda: served.is_idle)


def test_old_connections_are_closed_between_utterances(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(connection_s=0.05))
    with served.live() as socket:
        too_late(socket, TEXT)
        assert closing(socket) == (1001, "old")
    until(lambda: served.is_idle)


def test_when_the_service_stops_utterances_end_and_idle_connections_close(serve: Any, until: Any) -> None:
    served = serve()
    with served.live() as idle, served.live() as busy:
        for socket in (idle, busy):
            tell(socket, **STREAMED)
        write(busy, "It was", is_done=False)
        until(lambda: served.counts.num_speaking == 1)
        served.in_loop(served.app.state.drain)
        assert closing(idle) == (1001, "draining")
        with pytest.raises(InvalidStatus) as refused, served.live():
            pass
        assert refused.value.response.status_code == 503
        write(busy, " cold.")
        assert answers(busy)[1] == said(served, "It was cold.", seed=7)
        assert closing(busy) == (1001, "draining")
    served.in_loop(served.app.state.drained)


def test_the_log_has_a_line_for_each_utterance_and_connection_and_nothing_of_what_was_said(
    serve: Any, caplog: Any, until: Any
) -> None:
    served = serve()
    with caplog.at_level(logging.INFO, "speechmill.service"):
        with served.live() as socket:
            tell(socket, **STREAMED)
            write(socket, TEXT)
            answers(socket)
        until(lambda: len(caplog.records) == 2)
    spoken, connection = [record.getMessage() for record in caplog.records]
    assert spoken.startswith("WS /v1/audio/speech/stream 200 in ")
    assert f"{len(TEXT)} characters, first audio after " in spoken
    assert connection.startswith("WS /v1/audio/speech/stream 101 in ")
    assert connection.endswith("1 utterances, the client left")
    assert "rain" not in spoken + connection
    assert served.counts.audio_s == [pytest.approx(len(np.frombuffer(said(served, TEXT), "<i2")) / 8_000)]
