"""Segments spoken through a double of an endpoint that fails in every way: what ends as audio, what as a failed row."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from support.faulty_endpoint import GOOD, RATE, Answer, FaultyEndpoint, told
from support.waiting import HANG_S, eventually

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.endpoint.model import Openai
from speechmill.actors.models.probe_texts import SENTENCES
from speechmill.actors.records.stream_handle import StreamHandle
from speechmill.actors.records.utterance import Segment
from speechmill.errors import EndpointAway, ModelError, RowError, RowRejected

KEY = "sk-secret-of-the-test"
Endpoint = Callable[..., FaultyEndpoint]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running: list[FaultyEndpoint] = []

    def start(answer: Callable[[dict[str, Any], int], Answer] = lambda body, number: GOOD) -> FaultyEndpoint:
        running.append(FaultyEndpoint(answer))
        return running[-1]

    yield start
    for double in running:
        double.close()


def client(*doubles: FaultyEndpoint, **options: Any) -> Openai:
    quick = {"retry_s": 0.001, "sample_rate": RATE, "seed_field": "seed", "away_s": 30, "max_attempts": 3}
    return Openai(ModelConfig("openai", options={"urls": [d.url for d in doubles], **quick, **options}))


def segments(model: Openai, *texts: str, **how: Any) -> list[Segment]:
    return [
        Segment(row, 0, text, model.prepare(text, ""), 100 + row, how.get("voice", ""), how.get("speed", 1.0))
        for row, text in enumerate(texts)
    ]


def outcomes(model: Openai, *texts: str) -> dict[str, Any]:
    return {segment.text: outcome for segment, outcome in model.speak_rows(segments(model, *texts))}


def audio_of(double: FaultyEndpoint, segment: Segment) -> Any:
    spoken = double.speech({"input": segment.text, "seed": segment.seed, "speed": segment.speed})
    return (spoken * 32_767).round() / np.float32(32_767)


@pytest.mark.parametrize("audio_format", ["wav", "flac", "pcm"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_row_is_what_the_server_spoke(endpoint: Endpoint, audio_format: str, is_chunked: bool) -> None:
    double = endpoint(lambda body, number: Answer(is_chunked=is_chunked))
    model = client(double, response_format=audio_format)
    rows = segments(model, *(f"Text {number} {'la ' * number}" for number in range(12)))
    waves = model.speak(rows)
    for row, wave in zip(rows, waves, strict=True):
        np.testing.assert_allclose(wave, audio_of(double, row), atol=1e-6)
    assert double.most_at_once <= 8
    assert model.usage().slot_steps >= model.usage().row_steps > 0


FAULTS = {
    "429": told(429, "slow down", Retry_After="0.01"),
    "500": told(500, "oh no"),
    "503": told(503, "starting"),
    "a break": Answer(breaks=True),
    "a cut body": Answer(cut=40),
    "a cut chunked body": Answer(cut=40, is_chunked=True),
    "a short file": Answer(short=40),
    "no body": Answer(body=b""),
    "another format": Answer(body=b"ID3 is no wav, and not even audio"),
    "an error with status 200": Answer(
        body=b'{"error": {"message": "odd"}}', headers={"Content-Type": "application/json"}
    ),
    "a wrong rate": Answer(rate=16_000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_failed_is_sent_again(endpoint: Endpoint, fault: str) -> None:
    double = endpoint(lambda body, number: FAULTS[fault] if number == 0 and body["input"] == "Three." else GOOD)
    model = client(double)
    texts = ("One.", "Two.", "Three.", "Four.")
    spoken = outcomes(model, *texts)
    assert all(isinstance(spoken[text], np.ndarray) for text in texts), spoken
    asked = double.inputs
    assert [asked[text] for text in texts] == [1, 1, 2, 1]


@pytest.mark.parametrize("fault", ["500", "a break", "a cut body", "a short file", "another format", "a wrong rate"])
def test_a_text_that_always_fails_is_a_failed_row_after_so_many_requests(endpoint: Endpoint, fault: str) -> None:
    """Also where no other row says that the server works: then a probe text does."""
    double = endpoint(lambda body, number: FAULTS[fault] if body["input"] == "Poison." else GOOD)
    model = client(double)
    (error,) = outcomes(model, "Poison.").values()
    assert isinstance(error, RowRejected)
    assert "requests have failed; the last: http://127.0.0.1" in str(error)
    asked = double.inputs
    assert asked[SENTENCES["en"][0]] in (1, 2)
    assert asked["Poison."] == 3
    assert isinstance(outcomes(model, "Fine.")["Fine."], np.ndarray)


def test_texts_that_break_a_server_that_works_are_failed_rows_however_many_they_are(endpoint: Endpoint) -> None:
    """Story: a shard had such texts alone. The server rested longer and longer, and each run stopped there."""
    double = endpoint(lambda body, number: told(500, "broken") if body["input"].startswith("Poison") else GOOD)
    texts = [f"Poison {number}." for number in range(16)]
    found = outcomes(client(double, concurrency=6, max_attempts=6, away_s=HANG_S), *texts)
    assert all(re.search("6 requests have failed; the last: .*500: broken", str(found[text])) for text in texts)
    asked = double.inputs
    assert {asked[text] for text in texts} == {6}
    assert asked[SENTENCES["en"][0]] < 6 * len(texts) / 2, "not a probe for each request"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_the_server_refuses_is_a_failed_row_with_its_message(endpoint: Endpoint, status: int) -> None:
    double = endpoint(lambda body, number: told(status, "no such\nvoice") if "bad" in body["input"] else GOOD)
    spoken = outcomes(client(double), "good", "bad", "good too")
    assert isinstance(spoken["bad"], RowRejected)
    assert f"{status}: no such voice" in str(spoken["bad"])
    assert all(isinstance(spoken[text], np.ndarray) for text in ("good", "good too"))
    assert double.inputs["bad"] == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            told(401, f"wrong key {KEY}"),
            r"401: wrong key \*\*\* \(the key is that of the environment variable SPEECH_KEY",
        ),
        (told(403, "not for you"), "403: not for you"),
        (told(404, "no model x"), "404: no model x.*model.options.model"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:9/else"}), "302.*redirects are not followed"),
    ],
)
def test_what_no_row_can_pass_ends_the_run(
    endpoint: Endpoint, answer: Answer, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_KEY", KEY)
    double = endpoint(lambda body, number: answer)
    with pytest.raises(ModelError, match=message) as caught:
        outcomes(client(double, api_key_env="SPEECH_KEY", concurrency=1), "One.", "Two.")
    assert KEY not in str(caught.value)
    assert len(double.requests) == 1
    assert double.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_server_that_refuses_everything_ends_the_run(endpoint: Endpoint) -> None:
    """Story: a proxy answers a wrong name of a model with 400, and a whole corpus failed row by row."""
    texts = [f"Text {number}." for number in range(200)]
    double = endpoint(lambda body, number: told(400, "no such model"))
    with pytest.raises(
        ModelError, match=r"all texts are refused, and so is a plain sentence; the last: .*no such model"
    ):
        outcomes(client(double), *texts)
    assert len(double.requests) < 50
    picky = endpoint(lambda body, number: told(400, "too short") if body["input"].startswith("Text") else GOOD)
    assert all(isinstance(outcome, RowRejected) for outcome in outcomes(client(picky), *texts).values())


def test_a_rate_that_all_answers_have_ends_the_run_unless_they_are_resampled(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(rate=16_000))
    with pytest.raises(
        ModelError, match=r"audio of 16000 Hz, where 8000 Hz are expected; set model\.options\.sample_rate"
    ):
        outcomes(client(double), "One.")
    model = client(double, resample=True)
    row = segments(model, "One.")[0]
    assert len(model.speak([row])[0]) == -(-len(audio_of(double, row)) // 2)


@pytest.mark.parametrize("told_rate", ["9" * 5_000, "0"])
def test_a_rate_that_is_none_is_not_believed(endpoint: Endpoint, told_rate: str) -> None:
    """A header of thousands of digits was an error of Python's, which no one had expected here."""
    double = endpoint(lambda body, number: Answer(headers={"X-Sample-Rate": told_rate}))
    assert isinstance(outcomes(client(double, response_format="pcm", resample=True), "One.")["One."], np.ndarray)


def test_a_rate_that_takes_gigabytes_to_resample_ends_the_run(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(rate=15_991))
    with pytest.raises(ModelError, match="15991 Hz is not resampled to 8000 Hz"):
        outcomes(client(double, resample=True), "One.")


def test_servers_that_are_away_stop_the_run_and_cost_no_row(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: told(503, "gone fishing"))
    with pytest.raises(EndpointAway, match=r"no speech server has given audio for 0\.1 s.*503: gone fishing"):
        outcomes(client(double, away_s=0.1), "One.", "Two.")
    gone = FaultyEndpoint()
    gone.close()
    with pytest.raises(EndpointAway, match="cannot connect"):
        outcomes(client(gone, away_s=0.1), "One.")
    broken = endpoint(lambda body, number: told(500, "broken"))
    with pytest.raises(EndpointAway, match="500: broken"):
        outcomes(client(broken, away_s=0.1), "One.")
    unpaid = endpoint(lambda body, number: told(429, "pay first", "insufficient_quota"))
    with pytest.raises(EndpointAway, match="takes no more requests of this account: 429: pay first"):
        outcomes(client(unpaid), "One.")
    assert len(unpaid.requests) <= 1


def test_a_row_that_is_never_taken_fails_where_others_are(endpoint: Endpoint) -> None:
    double = endpoint(
        lambda body, number: told(429, "not this one") if body["input"] == "Poison." else Answer(delay_s=0.01)
    )
    spoken = outcomes(
        client(double, away_s=0.5, concurrency=2), "Poison.", *(f"Text {number}." for number in range(80))
    )
    assert re.search(r"no server took it for 0\.5 s .*429: not this one", str(spoken.pop("Poison.")))
    assert all(isinstance(outcome, np.ndarray) for outcome in spoken.values())


def test_a_server_that_comes_back_is_waited_for(endpoint: Endpoint) -> None:
    """One that has answered may know no path while it starts again."""
    lost = threading.Event()
    answers = iter([told(404, "not yet"), Answer(breaks=True), told(503, "loading")])
    double = endpoint(lambda body, number: next(answers, GOOD) if lost.is_set() else GOOD)
    model = client(double)
    outcomes(model, "One.")
    lost.set()
    assert isinstance(outcomes(model, "Two.")["Two."], np.ndarray)
    assert double.inputs["Two."] == 4


def test_retry_after_is_waited_for(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: told(429, "later", Retry_After="0.3") if number == 0 else GOOD)
    outcomes(client(double), "One.")
    first, second = (request.came_s for request in double.requests)
    assert second - first >= 0.3


def test_a_request_that_takes_too_long_is_given_up(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(hangs=True) if number == 0 else GOOD)
    assert isinstance(outcomes(client(double, timeout_s=0.5), "One.")["One."], np.ndarray)
    assert double.inputs["One."] >= 2, "on a busy machine the second one may take as long"


def test_an_answer_that_is_too_long_is_a_failed_row(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(body=bytes(3 << 20)))
    (error,) = outcomes(client(double, max_audio_s=1), "One.").values()
    assert isinstance(error, RowRejected) and "max_audio_s" in str(error)
    assert len(double.requests) == 1


def test_requests_go_to_all_servers_and_on_to_the_others_when_one_fails(endpoint: Endpoint) -> None:
    well = endpoint()
    ill = endpoint(lambda body, number: told(500, "ill"))
    spoken = outcomes(client(ill, well), *(f"Text {number}." for number in range(30)))
    assert all(isinstance(outcome, np.ndarray) for outcome in spoken.values())
    assert sum(well.inputs.values()) == 30
    assert 0 < len(ill.requests) < 30
    second = endpoint()
    outcomes(client(well, second), *(f"More {number}." for number in range(20)))
    assert second.requests


def test_no_more_requests_at_once_than_places(endpoint: Endpoint) -> None:
    def together(body: dict[str, Any], number: int) -> Answer:
        eventually(lambda: double.most_at_once >= 3, "three at once", every_s=0.002)
        return Answer(delay_s=0.005)

    double = endpoint(together)
    model = client(double)
    assert model.reserve(0, 3) == 3
    calls = [threading.Thread(target=outcomes, args=(model, *(f"{call} {n}." for n in range(6)))) for call in "ab"]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert double.most_at_once == 3
    assert len(double.requests) == 12


def test_a_call_that_is_given_up_asks_for_no_more(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(hangs="hang" in body["input"]))
    model = client(double)
    model.reserve(0, 2)
    with closing(model.speak_rows(segments(model, "One.", *(f"hang {n}" for n in range(20))))) as rows:  # type: ignore[type-var]
        next(iter(rows))
    double.let_go()
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("speech ")], every_s=0.005)
    assert len(double.requests) <= 4


def test_rows_say_voice_speed_and_seed(endpoint: Endpoint) -> None:
    double = endpoint()
    voices = {"anna": "a", "low": {"voice": "b", "instructions": "whisper"}}
    model = client(double, voices=voices, model="tts", body={"task": "x"}, api_key_header="api-key")
    model.speak(segments(model, "One.", voice="low", speed=1.5) + segments(model, "Two."))
    one, two = sorted((request.body for request in double.requests), key=lambda body: body["input"])
    assert one == {
        "input": "One.",
        "response_format": "wav",
        "task": "x",
        "model": "tts",
        "voice": "b",
        "instructions": "whisper",
        "speed": 1.5,
        "seed": 100,
    }
    assert two["voice"] == "a" and "speed" not in two
    assert "Authorization" not in double.requests[0].headers


def test_seeds_fit_the_server_and_change_with_attempt_and_segment(endpoint: Endpoint) -> None:
    double = endpoint()
    model = client(double, seed_bits=8)
    prepared = model.prepare("x", "")
    places = [(200, 0, 0), (300, 0, 0), (200, 1, 0), (200, 0, 1), (2**63 - 1, 3, 2)]
    model.speak(
        [
            Segment(n, index, f"{n}", prepared, seed, "", 1.0, attempt=attempt)
            for n, (seed, index, attempt) in enumerate(places)
        ]
    )
    seeds = {request.body["input"]: request.body["seed"] for request in double.requests}
    assert seeds["0"] == 200
    assert all(0 <= seed < 256 for seed in seeds.values())
    assert len({seeds["0"], seeds["2"], seeds["3"]}) == 3


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_stream_is_the_clip_and_ends_when_it_is_cancelled(endpoint: Endpoint, is_streamed: bool) -> None:
    double = endpoint(lambda body, number: Answer(is_chunked=True))
    model = client(double, stream=is_streamed)
    (row,) = segments(model, "A text of some length, for many pieces.")
    streamed = list(model.stream(row, StreamHandle()))
    np.testing.assert_allclose(np.concatenate(streamed), audio_of(double, row), atol=1e-6)
    assert ("stream_format" in double.requests[0].body) is is_streamed
    handle = StreamHandle()
    handle.leave()
    assert list(model.stream(row, handle)) == []


def test_a_stream_that_breaks_off_says_so(endpoint: Endpoint) -> None:
    double = endpoint(lambda body, number: Answer(is_chunked=True, cut=20))
    model = client(double, stream=True)
    with pytest.raises(RowError, match="broke off"):
        list(model.stream(segments(model, "A text of some length, for many pieces.")[0], StreamHandle()))


def test_a_key_has_to_be_there(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ModelError, match="names NO_SUCH_KEY, and this replica's environment has no such variable"):
        client(endpoint(), api_key_env="NO_SUCH_KEY")
