"""A random checkpoint of the tiny sizes, written once; one thread for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from speechmill.actors.models.minicpmo.checkpoint.layout import TINY
from speechmill.actors.models.minicpmo.checkpoint.random_weights import write_random


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small sums on several threads wait for each other, on a busy machine for long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def minicpmo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, and leave it as it is. Its rows end after 16 to more than 200 steps."""
    folder = tmp_path_factory.mktemp("minicpmo") / "tiny"
    write_random(folder, TINY, seed=0)
    return folder
