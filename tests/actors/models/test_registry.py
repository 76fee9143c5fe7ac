"""From a name to a model: registered ones, a user's own, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechmill.actors.models.base import ModelConfig
from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random
from speechmill.actors.models.f5tts.checkpoint import layout as f5tts_layout
from speechmill.actors.models.f5tts.checkpoint.random_weights import write_random as write_random_f5tts
from speechmill.actors.models.minicpmo.checkpoint.layout import TINY as TINY_MINICPMO
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random as write_random_minicpmo
from speechmill.actors.models.registry import MODELS, describe, load, model_class
from speechmill.actors.models.tone import Tone
from speechmill.errors import ModelError


@pytest.mark.parametrize("name", MODELS)
def test_every_registered_model_describes_itself(name: str, tmp_path: Path) -> None:
    path, options = None, {}
    if name == "kokoro":
        options = {"weights": "demo"}  # those of the package index
    if name == "openai":
        options = {"urls": "http://127.0.0.1:9/v1"}
    if name == "chattts":  # its weights are not in any package
        write_random(tmp_path, TINY, seed=0)
        path = str(tmp_path)
    if name == "minicpmo":
        write_random_minicpmo(tmp_path, TINY_MINICPMO, seed=0)
        path = str(tmp_path)
    if name == "f5tts":
        write_random_f5tts(tmp_path, f5tts_layout.TINY, f5tts_layout.TINY_VOCODER, 0)
        path = str(tmp_path)
    info = describe(ModelConfig(name, path=path, options=options))
    assert info.name == name
    assert info.sample_rate >= 8_000
    assert info.max_length >= info.batch_limit.max_cells / info.batch_limit.max_rows or info.batch_limit.max_rows > 1
    assert info.speeds[0] <= 1.0 <= info.speeds[1]


def test_a_class_of_ones_own_is_named_with_its_module() -> None:
    assert model_class("speechmill.actors.models.tone:Tone") is Tone
    assert isinstance(load(ModelConfig("speechmill.actors.models.tone:Tone")), Tone)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hibary", 'did you mean "hibari"?'),
        ("no_such_module:Model", "cannot import no_such_module"),
        ("speechmill.errors:Nothing", "has no class Nothing"),
        ("speechmill.errors:JobError", "is not a subclass of speechmill.Model"),
        (":Model", "model.name"),
    ],
)
def test_a_wrong_name_is_explained(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=r"model\.name") as caught:
        model_class(name)
    assert message in str(caught.value)
