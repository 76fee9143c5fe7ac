"""What several workers of one test run need, and one of them makes."""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable
from typing import Any

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """The value that `make` returns. The first worker of a run calls it; the others wait for it and read the value.

    Args:
        name: Of the file that holds the pickled value, beside the workers' temporary folders
    """
    base = factory.getbasetemp()
    # A worker's base is a folder in the run's own; a run without workers has only that.
    folder = base.parent if base.name.startswith("popen-") else base
    with (folder / f"{name}.pickle").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if raw := file.read():
            return pickle.loads(raw)
        value = make()
        file.write(pickle.dumps(value))
        return value
