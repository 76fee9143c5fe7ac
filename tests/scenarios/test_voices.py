"""A job whose every row has a voice of its own: no more batches than with one voice, and each row itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.kokoro_files import VOICES, write_folder

import speechmill

# How batches are made does not hang on where.
pytestmark = pytest.mark.usefixtures("hosted_replicas")

NUM_ROWS = 24


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("kokoro") / "weights")


def spoken(tmp_path: Path, weights: Path, voices: list[str], batch_size: int) -> tuple[int, dict[str, Any]]:
    """Batches that a job of short rows took, and its clips by id."""
    corpus, out = tmp_path / "corpus.csv", tmp_path / f"out-{len(set(voices))}-{batch_size}"
    rows = [f"row-{row},{'Hi. ' if row % 3 else 'No, no.'},{voices[row]},{row}" for row in range(NUM_ROWS)]
    corpus.write_text("\n".join(["id,text,voice,seed", *rows]).replace("No, no.", '"No, no."'), encoding="utf-8")
    result = speechmill.Job(
        input={"uri": str(corpus)},
        model={
            "name": "kokoro",
            "path": str(weights),
            "batch_size": batch_size,
            "options": {"deterministic": False},
        },
        output={"uri": str(out)},
        cluster={"replicas": 1},
    ).run()
    assert result.num_ok == NUM_ROWS
    return result.batches.num_batches, {clip.id: clip.samples for clip in speechmill.read(result.output)}


def test_a_voice_for_every_row_costs_no_batch_and_changes_with_none(tmp_path: Path, weights: Path) -> None:
    """Law: rows by seeds, names and blends are batched as rows of one voice, and are themselves in any batch."""
    own = [("by_seed", f"seed:{row}", VOICES[row % 5], "af_heart:2+jf_alpha:1")[row % 4] for row in range(NUM_ROWS)]
    plain, _ = spoken(tmp_path, weights, ["af_heart"] * NUM_ROWS, 8)
    mixed, clips = spoken(tmp_path, weights, own, 8)
    assert mixed == plain
    more, others = spoken(tmp_path, weights, own, 3)
    assert more > mixed
    for name, samples in clips.items():
        assert samples.shape == others[name].shape
        assert float(np.abs(samples - others[name]).max()) <= 2 / 32_768
