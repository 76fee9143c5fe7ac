"""Every way that a speech can end early: the status while there is one to choose, a broken connection after that.

After each of them every place is free and every generator closed.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.waiting import HANG_S

from speechmill.errors import ModelError, ReplicasLost, RowRejected, TextTooLong
from speechmill.jobs.service.admission import AdmissionLimits

TEXT = "When the rain had stopped, we went out. " * 5
BEFORE = [
    (RowRejected("it holds nothing"), 400, "text_cannot_be_spoken"),
    (TextTooLong("a word is too long"), 400, "text_cannot_be_spoken"),
    (ReplicasLost("it died"), 503, "replica_lost"),
    (ModelError("no weights in /secret/folder"), 500, "model_error"),
    (TimeoutError("a secret"), 504, "timeout"),
    (ValueError("a secret"), 500, "internal_error"),
]
SHAPES = [{}, {"stream": False}, {"stream_format": "sse"}, {"response_format": "flac", "stream": True}]


@pytest.fixture(scope="module")
def shared(serve_module: Any) -> Any:
    return serve_module()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("error", "status", "code"), BEFORE, ids=str)
def test_before_the_first_byte_the_status_tells(
    shared: Any, until: Any, error: Exception, status: int, code: str, shape: dict[str, Any]
) -> None:
    served = shared
    served.speaker.failures = {0: error}
    given, headers, body = served.speak(input=TEXT, **{"response_format": "pcm", **shape})
    assert (given, json.loads(body)["error"]["code"]) == (status, code)
    assert (headers["Retry-After"] is not None) == (status == 503)
    assert b"secret" not in body
    until(lambda: served.is_idle)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("error", [error for error, *_ in BEFORE], ids=str)
def test_after_it_the_connection_breaks(shared: Any, until: Any, error: Exception, shape: dict[str, Any]) -> None:
    served = shared
    served.speaker.failures = {2: error}
    wanted = {"input": TEXT, "response_format": "pcm", **shape}
    if shape == {"stream": False}:  # nothing was sent yet
        assert served.speak(**wanted)[0] >= 400
    else:
        with pytest.raises(http.client.IncompleteRead) as broken:
            served.speak(**wanted)
        told = broken.value.partial
        assert told
        assert (b'"type": "error"' in told) == (shape == {"stream_format": "sse"})
        assert b"speech.audio.done" not in told
        assert b"secret" not in told
    until(lambda: served.is_idle)


def only(samples: np.ndarray) -> Any:
    """What a model has in place of `stream`, to give these samples for every segment."""

    def stream(*_: Any) -> Iterator[np.ndarray]:
        yield samples

    return stream


def test_a_text_without_sound_is_refused(serve: Any, tone: Any) -> None:
    speaker = tone()
    speaker.model.stream = only(np.zeros(0, np.float32))
    status, _, body = serve(speaker).speak(input="It was cold.")
    assert (status, json.loads(body)["error"]["message"]) == (400, "no audio: the model gave 0 samples")


def test_broken_samples_are_not_the_clients_fault(serve: Any, tone: Any) -> None:
    speaker = tone()
    speaker.model.stream = only(np.full(9, np.nan, np.float32))
    assert serve(speaker).speak(input="It was cold.")[0] == 500


@pytest.mark.parametrize(
    "limits", [AdmissionLimits(first_audio_s=0.05), AdmissionLimits(total_s=0.05)], ids=["first_audio_s", "total_s"]
)
def test_no_audio_in_time(serve: Any, until: Any, limits: AdmissionLimits) -> None:
    served = serve(limits=limits)
    served.speaker.is_open.clear()
    status, _, body = served.speak(input=TEXT)
    assert (status, json.loads(body)["error"]["code"]) == (504, "timeout")
    until(lambda: served.is_idle)


def test_a_speech_that_takes_too_long_is_broken_off(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(total_s=1))
    served.speaker.stays_at = 2
    with pytest.raises(http.client.IncompleteRead):
        served.speak(input=TEXT, response_format="pcm")
    until(lambda: served.is_idle)


def test_waiting_for_a_turn_has_an_end(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1, max_waiting=1, max_wait_s=0.05))
    served.speaker.is_open.clear()
    first = threading.Thread(target=served.speak, kwargs={"input": TEXT})
    first.start()
    until(lambda: served.counts.num_speaking == 1)
    status, headers, _ = served.speak(input=TEXT)
    assert (status, int(headers["Retry-After"]) >= 1) == (429, True)
    served.speaker.is_open.set()
    first.join()
    until(lambda: served.is_idle)


def test_never_more_than_so_many_at_once_and_all_are_spoken(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=3, max_waiting=20, max_wait_s=HANG_S))
    served.speaker.is_open.clear()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(served.speak(input=TEXT)[0])) for _ in range(12)]
    for thread in threads:
        thread.start()
    until(lambda: (served.counts.num_speaking, served.counts.num_waiting) == (3, 9))
    served.speaker.is_open.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    until(lambda: served.is_idle)
    assert served.speaker.most_streams <= served.counts.most_speaking == 3


def test_draining_refuses_the_new_and_lets_the_old_finish(serve: Any, until: Any) -> None:
    served = serve(limits=AdmissionLimits(max_streams=1))
    served.speaker.is_open.clear()
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(served.speak(input=TEXT))) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: (served.counts.num_speaking, served.counts.num_waiting) == (1, 1))
    served.in_loop(served.app.state.drain)
    for method, path in (("POST", "/v1/audio/speech"), ("GET", "/v1/models")):
        status, headers, body = served.ask(method, path)
        assert (status, headers["Connection"], json.loads(body)["error"]["code"]) == (503, "close", "draining")
        assert int(headers["Retry-After"]) >= 1
    assert (served.ask("GET", "/health")[0], served.ask("GET", "/ready")[0]) == (200, 503)
    served.speaker.is_open.set()
    served.in_loop(served.app.state.drained)
    assert served.is_idle
    for thread in threads:
        thread.join()
    assert [(status, headers["Connection"]) for status, headers, _ in answers] == [(200, "close")] * 2


def test_ready_when_the_speaker_is(serve: Any) -> None:
    served = serve()
    served.speaker.is_warm = False
    status, headers, body = served.ask("GET", "/ready")
    assert (status, headers["Retry-After"], json.loads(body)) == (503, "1", {"status": "loading"})
    served.speaker.is_ready = None  # a speaker that cannot even tell
    assert served.ask("GET", "/ready")[0] == 503
    assert served.ask("GET", "/health")[0] == 200


def test_an_unforeseen_error_is_logged_without_what_it_says(serve: Any, caplog: Any) -> None:
    served = serve()
    served.speaker.failures = {0: ValueError("a secret")}
    with caplog.at_level(logging.INFO, "speechmill.service"):
        served.speak(input=TEXT)
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith("ValueError\n")
    assert "in hear" in error
    assert "secret" not in error


def test_what_is_done_at_the_start_and_the_end(serve: Any) -> None:
    ended: list[bool] = []
    served = serve(on_stop=lambda: ended.append(True))
    assert ended == []
    served.close()
    assert ended == [True]
