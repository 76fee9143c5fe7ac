"""A copy of k8s/ that a test may change, and the overlays as they are."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .render import K8S, Doc, render

Change = Callable[[str, str, str], None]


@pytest.fixture(scope="session")
def overlay() -> Callable[[str], list[Doc]]:
    """The objects of an overlay by its name. Not to be changed."""
    return functools.cache(lambda name: render(K8S / "overlays" / name))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of k8s/."""
    shutil.copytree(K8S, tmp_path / "k8s")
    return tmp_path / "k8s"


@pytest.fixture
def change(copy: Path) -> Change:
    """Replace a text in a file of the copy; it has to be there."""

    def replace(path: str, old: str, new: str) -> None:
        file = copy / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    return replace
