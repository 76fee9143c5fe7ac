"""Where torch is told to keep what it compiles; that it finds it again is tested with the backbone that it compiles."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.waiting import HANG_S

from speechmill.actors.engine.kernels import kept_kernels

CPU = torch.device("cpu")
NAME = "TORCHINDUCTOR_CACHE_DIR"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path))
    monkeypatch.delenv(NAME, raising=False)
    return tmp_path / "kernels"


def named() -> Path:
    return Path(os.environ[NAME])


def test_the_folder_is_named_within_the_block_and_is_the_same_at_the_next_start(folder: Path) -> None:
    with kept_kernels(CPU, {"dtype": "float32"}):
        first = named()
        (first / "kernel").touch()
    assert NAME not in os.environ
    with kept_kernels(CPU, {"dtype": "float32"}):
        assert named() == first
        assert (first / "kernel").exists()
    with kept_kernels(CPU, {"dtype": "bfloat16"}):
        assert named() != first
        assert named().parent == first.parent == folder


def test_a_place_that_the_user_has_named_stays(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(NAME, str(tmp_path / "mine"))
    with kept_kernels(CPU, {}):
        assert named() == tmp_path / "mine"
    assert named() == tmp_path / "mine"
    assert not folder.exists()


def test_what_a_failed_start_has_left_is_thrown_away() -> None:
    """Also when it failed with what an earlier one had kept: that may be what was wrong."""
    with kept_kernels(CPU, {}):
        (named() / "kept").touch()
    with pytest.raises(RuntimeError, match="torch cannot"), kept_kernels(CPU, {}):
        raise RuntimeError("torch cannot")
    with kept_kernels(CPU, {}):
        assert list(named().iterdir()) == []


def start(block: str) -> subprocess.Popen[str]:
    """Another replica: it says that it comes, and runs the block with the folder named."""
    lines = [
        "import os, sys, torch",
        "from pathlib import Path",
        "from speechmill.actors.engine.kernels import kept_kernels",
    ]
    lines += ["print('comes', flush=True)", "with kept_kernels(torch.device('cpu'), {}):", f"    {block}"]
    environment = {name: value for name, value in os.environ.items() if name != NAME}
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.integration
def test_what_a_killed_process_has_left_is_thrown_away(folder: Path) -> None:
    replica = start(f"Path(os.environ['{NAME}'], 'half').touch(); os.kill(os.getpid(), 9)")
    replica.communicate(timeout=HANG_S)
    assert replica.returncode == -9
    assert [file.name for file in folder.glob("*/*")] == ["half"]
    with kept_kernels(CPU, {}):
        assert list(named().iterdir()) == []


@pytest.mark.integration
def test_of_replicas_that_start_at_once_one_compiles_and_the_others_wait_for_it() -> None:
    with kept_kernels(CPU, {}):
        replica = start(f"print(os.listdir(os.environ['{NAME}']))")
        assert replica.stdout is not None
        assert replica.stdout.readline() == "comes\n"
        time.sleep(0.3)  # so that it would be seen if it did not wait
        (named() / "kernel").touch()
    with replica:
        assert "kernel" in replica.stdout.read()


def test_a_folder_that_cannot_be_written_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    monkeypatch.setenv("SPEECHMILL_CACHE", str(blocked))
    with kept_kernels(CPU, {}):
        assert NAME not in os.environ
