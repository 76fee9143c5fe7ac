"""A random ChatTTS checkpoint of the tiny sizes, written once: for its own tests, and for those of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, and leave it as it is."""
    from speechmill.actors.models.chattts.checkpoint.layout import TINY
    from speechmill.actors.models.chattts.checkpoint.random_weights import write_random

    folder = tmp_path_factory.mktemp("chattts") / "tiny"
    write_random(folder, TINY, seed=0)
    return folder
