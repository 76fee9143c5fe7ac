"""A recording comes with a request as base64; a path or an address opens nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from support.recordings import WORDS, encoded, recording

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.registry import describe, load
from speechmill.actors.records.reference import Reference
from speechmill.actors.replica.streaming import speak_stream
from speechmill.jobs.service.http_problem import HttpProblem
from speechmill.jobs.service.interface.request import Offer, SpeechRequest

TONE = describe(ModelConfig("tone"))
CLIP = base64.b64encode(encoded(recording(1), form="FLAC")).decode()


def reference(model: str = "tone", **keys: Any) -> Reference | None:
    wanted = SpeechRequest.parse(json.dumps({"input": "Hello.", **keys}).encode())
    return wanted.speech_input(Offer(describe(ModelConfig(model)), ("wav", "mp3"), 100)).reference


def test_a_clip_in_any_of_the_usual_keys_is_the_voice() -> None:
    found = reference(reference_audio=CLIP, reference_text=WORDS)
    assert found is not None
    assert (found.sample_rate, found.text) == (8_000, WORDS)
    assert reference(ref_audio=f"data:audio/flac;base64,{CLIP}", ref_text=WORDS) == found
    assert reference() is None
    assert reference("hibari") is None


@pytest.mark.parametrize(
    ("keys", "param", "why"),
    [
        ({"reference_audio": "https://10.0.0.1/a.wav", "reference_text": WORDS}, "reference_audio", "not opened"),
        ({"reference_audio": "file:///etc/passwd", "reference_text": WORDS}, "reference_audio", "not opened"),
        ({"reference_audio": "/etc/passwd", "reference_text": WORDS}, "reference_audio", "not opened"),
        ({"reference_audio": "data:text/plain,abc", "reference_text": WORDS}, "reference_audio", "not opened"),
        ({"reference_audio": CLIP}, "reference_audio", "no transcript"),
        ({"reference_text": WORDS}, "reference_text", 'no "reference_audio"'),
        ({"ref_audio": "AAAA", "ref_text": WORDS}, "reference_audio", "cannot be read as audio"),
        (
            {"ref_audio": base64.b64encode(encoded(recording(1, seconds=31))).decode(), "ref_text": WORDS},
            "reference_audio",
            "too long",
        ),
        ({"model": "hibari", "ref_audio": CLIP, "ref_text": WORDS}, "reference_audio", "no voices of recordings"),
    ],
)
def test_what_is_no_clip_is_named(keys: dict[str, Any], param: str, why: str) -> None:
    with pytest.raises(HttpProblem, match=why) as raised:
        reference(keys.pop("model", "tone"), **keys)
    assert (raised.value.status, raised.value.param) == (400, param)


def test_a_stream_has_the_sound_of_its_clip(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    model = load(ModelConfig("tone"))
    found = reference(reference_audio=CLIP, reference_text=WORDS)
    other = Reference.of(recording(70).astype(np.float32), 8_000, WORDS)
    plain, first, second, again = (
        np.concatenate(list(speak_stream(model, "Hello.", seed=3, reference=clip)))
        for clip in (None, found, other, found)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, second, atol=1e-3)
    assert not np.allclose(first, plain, atol=1e-3)
