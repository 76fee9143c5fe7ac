"""Voices: stored in files of either width, drawn from seeds, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from speechmill.actors.models.minicpmo.checkpoint.layout import TINY
from speechmill.actors.models.minicpmo.options import read_options
from speechmill.actors.models.minicpmo.voices import MinicpmoVoices
from speechmill.actors.models.voice_reference import encode_vector
from speechmill.errors import ModelError, RowRejected

BEFORE = np.linspace(-1, 1, TINY.llm_dim, dtype=np.float32)
BEHIND = np.linspace(-1, 1, TINY.network.hidden, dtype=np.float32)


def voices(**options: Any) -> MinicpmoVoices:
    return MinicpmoVoices(read_options(options), TINY)


def test_stored_vectors_of_both_widths_are_found_by_name(tmp_path: Path) -> None:
    save_file({"alice": BEFORE, "bob": BEHIND[None]}, tmp_path / "voices.safetensors")
    np.save(tmp_path / "carol.npy", BEFORE.astype(np.float16))
    made = voices(
        voice_file=str(tmp_path / "voices.safetensors"),
        voices={"carol": {"speaker": str(tmp_path / "carol.npy")}, "dave": {"speaker": encode_vector(BEHIND)}},
    )
    assert made.names == ("alice", "bob", "carol", "dave")
    for name, vector in (("alice", BEFORE), ("bob", BEHIND), ("carol", BEFORE), ("dave", BEHIND)):
        np.testing.assert_allclose(made.vector(name, 0), vector, atol=1e-3)


def test_a_drawn_voice_depends_on_its_seed_alone() -> None:
    made = voices(voices={"calm": {"seed": 5}})
    assert np.array_equal(made.vector("seed:5", 1), made.vector("calm", 2))
    assert np.array_equal(made.vector("", 5), made.vector("by_seed", 5))
    assert np.array_equal(made.vector("", 5), made.vector("calm", 9))
    assert not np.array_equal(made.vector("", 5), made.vector("", 6))


@pytest.mark.parametrize("vector", [BEFORE, BEHIND])
def test_a_row_may_spell_a_vector(vector: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    assert np.array_equal(voices().vector(encode_vector(vector), 0), vector)


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        ("alise", 'did you mean "alice"'),
        ("alice:0.5+calm:0.5", "is not a voice of this job"),
        (encode_vector(BEFORE[:40]), "this model takes"),
        (encode_vector(np.full_like(BEHIND, np.nan)), "not finite"),
        (encode_vector(np.zeros_like(BEHIND)), "zeros alone"),
    ],
)
def test_a_row_with_a_wrong_voice_is_rejected(voice: str, message: str) -> None:
    with pytest.raises(RowRejected, match=message):
        voices(voices={"alice": {"seed": 1}}).check(voice)


def test_a_file_that_holds_no_voice_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", BEFORE[:7])
    np.save(tmp_path / "whole.npy", np.arange(TINY.llm_dim))
    save_file({"alice": BEFORE[:9]}, tmp_path / "voices.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"no")
    for options, message in (
        ({"voices": {"a": {"speaker": str(tmp_path / "short.npy")}}}, "has 7 numbers of float32"),
        ({"voices": {"a": {"speaker": str(tmp_path / "whole.npy")}}}, "as floats"),
        ({"voices": {"a": {"speaker": str(tmp_path / "none.npy")}}}, "holds no voice"),
        ({"voices": {"a": {"speaker": "alice"}}}, "neither"),
        ({"voice_file": str(tmp_path / "voices.safetensors")}, '"alice" is no vector of 48 or 32 numbers'),
        ({"voice_file": str(tmp_path / "damaged.safetensors")}, "cannot be read"),
        ({"voice_file": str(tmp_path / "none.safetensors")}, "cannot be read"),
    ):
        with pytest.raises(ModelError, match=message):
            voices(**options)


def test_another_vector_under_the_same_name_is_another_digest(tmp_path: Path) -> None:
    digests: set[str] = set()
    for vector in (BEFORE, -BEFORE, BEHIND):
        save_file({"alice": vector}, tmp_path / "voices.safetensors")
        digests.add(voices(voice_file=str(tmp_path / "voices.safetensors")).digest)
    assert len(digests) == 3
