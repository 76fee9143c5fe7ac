"""A random checkpoint of the tiny sizes, written once; a test that damages it takes a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from speechmill.actors.models.chattts.checkpoint.layout import TINY
from speechmill.actors.models.chattts.checkpoint.random_weights import write_random


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small sums on several threads wait for each other, on a busy machine for long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, and leave it as it is."""
    folder = tmp_path_factory.mktemp("chattts") / "tiny"
    write_random(folder, TINY, seed=0)
    return folder


@pytest.fixture
def own_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy for this test alone."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "weights"))
