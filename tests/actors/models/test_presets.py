"""Voices by their recordings in the job's options: read where the model is described, wrong ones named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.recordings import WORDS, encoded, write_recording

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.presets import presets_digest, read_presets
from speechmill.actors.models.registry import describe, load
from speechmill.actors.models.tone import Tone
from speechmill.errors import ModelError

SECONDS = (0.1, 2.0)


def test_presets_are_voices_of_the_model_and_part_of_its_revision(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.wav", 1)
    voices = {"anna": {"clip": str(tmp_path / "a.wav"), "text": WORDS}}
    config = ModelConfig("tone", options={"voices": voices})
    info = describe(config)
    assert info.voices == ("sine", "anna")
    assert info.revision != describe(ModelConfig("tone")).revision
    assert not info.voice_fault("anna")
    assert "bert" in info.voice_fault("anna+bert") or info.voice_fault("bert")
    model = load(config)
    assert isinstance(model, Tone)
    preset = model.preset("anna")
    assert preset == read_presets(voices, SECONDS)["anna"]
    assert model.preset("sine") is None

    write_recording(tmp_path / "a.wav", 2)
    assert describe(config).revision != info.revision, "another clip under the same name is another job"
    assert not presets_digest({})


@pytest.mark.parametrize(
    ("voices", "why"),
    [
        ("anna", "map names"),
        ({"anna": "a.wav"}, "needs clip"),
        ({"anna": {"clip": "a.wav"}}, "needs clip"),
        ({"anna": {"clip": "a.wav", "text": "x", "sped": 1}}, r"anna.sped is not a key"),
        ({"anna": {"clip": "gone.wav", "text": "x"}}, "gone.wav cannot be read: No such file"),
        ({"anna": {"clip": "s3://b/a.wav", "text": "x"}}, "s3://b/a.wav is no local file; download it"),
        ({"anna": {"clip": "pipe", "text": "x"}}, "pipe is no file"),
        ({"anna": {"clip": "silent.wav", "text": "x"}}, r"anna \(silent.wav\): the clip is silent"),
        ({"anna": {"clip": "a.wav", "text": " "}}, "no transcript"),
        ({"seed:7": {"clip": "a.wav", "text": "x"}}, "another kind of voice"),
        ({"": {"clip": "a.wav", "text": "x"}}, "needs a name"),
    ],
)
def test_a_wrong_preset_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voices: Any, why: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "a.wav", 1)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "silent.wav").write_bytes(encoded(np.zeros(4_000)))
    with pytest.raises(ModelError, match=why):
        read_presets(voices, SECONDS)
