"""The model `openai` against the service here: laws hold, and rows sound as the model behind it speaks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import speechmill
from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.endpoint.model import Openai
from speechmill.actors.records.utterance import Segment
from speechmill.errors import ModelError
from speechmill.jobs.conformance.check_model import check_model
from speechmill.jobs.conformance.laws import LAWS
from speechmill.jobs.service.admission import AdmissionLimits

pytestmark = pytest.mark.slow
KEY = "a key for tests"
TEXTS = ("Good morning.", "Is there any bread?", "Nine boats left before the fog came in.")


def segments(model: speechmill.Model, count: int) -> list[Segment]:
    texts = [f"Row {row}. {'It goes on. ' * (row % 7)}" for row in range(count)]
    return [
        Segment(row, 0, text, model.prepare(text, ""), 31 * row, ("anna", "bert")[row % 2], (1.0, 1.5)[row % 3 == 0])
        for row, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    "how",
    [
        {"stream": True},
        pytest.param({"response_format": "pcm"}, marks=pytest.mark.soak),
        pytest.param({"response_format": "flac"}, marks=pytest.mark.soak),
        pytest.param({"seed_bits": 63}, marks=pytest.mark.soak),
    ],
)
def test_the_laws_hold_through_http(serve: Callable[..., Any], tone: Callable[..., Any], how: dict[str, Any]) -> None:
    served = serve(tone())
    options = {"urls": f"{served.url}/v1", "sample_rate": 8_000, "seed_field": "seed", **how}
    report = check_model("openai", options=options, texts=TEXTS)
    assert report.is_ok, [finding for finding in report.findings if finding.outcome == "broken"]
    assert len(report.findings) == len(LAWS)
    skipped = {finding.law for finding in report.findings if finding.outcome == "skipped"}
    assert skipped == {"refuses_damaged_weights", "keeps_its_speed", "follows_its_recording"}


def test_rows_sound_as_the_model_behind_the_service_speaks_them(
    serve: Callable[..., Any], tone: Callable[..., Any], until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the service takes fewer at once than are asked for: it answers 429, and nothing is lost."""
    monkeypatch.setenv("SPEECH_KEY", KEY)
    limits = AdmissionLimits(max_streams=2, max_waiting=1, max_wait_s=0.05)
    served, second = serve(tone(), limits, KEY), serve(tone(), limits, KEY)
    options: dict[str, object] = {
        "urls": [f"{served.url}/v1", f"{second.url}/v1"],
        "api_key_env": "SPEECH_KEY",
        "sample_rate": 8_000,
        "seed_field": "seed",
        "concurrency": 12,
        "retry_s": 0.01,
    }
    model = Openai(ModelConfig("openai", options=options))
    rows = segments(model, 30)
    for row, wave in zip(rows, model.speak(rows), strict=True):
        said = speechmill.say(row.text, model=tone().model, voice=row.voice, seed=row.seed, speed=row.speed)
        np.testing.assert_allclose(wave, np.concatenate(list(said)), atol=2e-5)
    until(lambda: served.is_idle and second.is_idle)
    assert 200 in served.counts.statuses and 200 in second.counts.statuses
    monkeypatch.setenv("SPEECH_KEY", "another key")
    with pytest.raises(ModelError, match=r"401.*the key is that of the environment variable SPEECH_KEY"):
        Openai(ModelConfig("openai", options=options)).speak(rows[:1])


@pytest.mark.soak
def test_the_embedded_voice_keeps_the_laws_through_http(serve: Callable[..., Any], hibari: Any) -> None:
    served = serve(hibari)
    report = check_model("openai", options={"urls": f"{served.url}/v1", "seed_field": "seed", "voices": ["heart"]})
    assert report.is_ok, [finding for finding in report.findings if finding.outcome == "broken"]
