"""Weights of others: tensors are read, code is not run, sizes are known before memory is taken."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from speechmill.actors.models.untrusted import load_pickled
from speechmill.errors import ModelError


class Trap:
    """Pickled, it makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_tensors_come_back(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(5)}, tmp_path / "good.pt")
    found = load_pickled(tmp_path / "good.pt", 10_000)
    assert isinstance(found, dict) and found["a"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("is_archive", [True, False])
def test_code_is_not_run(tmp_path: Path, is_archive: bool) -> None:
    trap = Trap(tmp_path / "sprung")
    if is_archive:
        torch.save({"a": trap}, tmp_path / "bad.pt")
    else:
        (tmp_path / "bad.pt").write_bytes(pickle.dumps(trap))
    with pytest.raises(ModelError, match=r"bad\.pt cannot be read as tensors"):
        load_pickled(tmp_path / "bad.pt", 10_000)
    assert not trap.folder.exists()


def test_more_than_was_agreed_is_not_read(tmp_path: Path) -> None:
    torch.save(torch.zeros(5_000), tmp_path / "large.pt")
    with pytest.raises(ModelError, match=r"large\.pt holds .* at most 10,000 are expected"):
        load_pickled(tmp_path / "large.pt", 10_000)


def test_an_archive_that_unpacks_to_much_is_not_read(tmp_path: Path) -> None:
    """A megabyte of zeros is a kilobyte, packed."""
    torch.save(torch.zeros(10), tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as bomb:
        for member in plain.infolist():
            bomb.writestr(member, plain.read(member))
        bomb.writestr("plain/data/9", bytes(2**20), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.pt").stat().st_size < 10_000
    with pytest.raises(ModelError, match="holds 1,0"):
        load_pickled(tmp_path / "bomb.pt", 10_000)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello", encoding="utf-8")
    for name in ("text.pt", "gone.pt"):
        with pytest.raises(ModelError, match=name):
            load_pickled(tmp_path / name, 10_000)
