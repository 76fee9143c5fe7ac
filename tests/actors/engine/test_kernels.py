"""Where torch is told to keep what it compiles; that it finds it again is tested with the backbone that it compiles."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from speechmill.actors.engine.kernels import kept_kernels

CPU = torch.device("cpu")
NAME = "TORCHINDUCTOR_CACHE_DIR"
FORKED = "ignore:This process:DeprecationWarning"
"""Python 3.12 on forks beside threads; the child calls nothing that one of them may hold."""


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


def forked(block: Callable[[], object]) -> int:
    """Another replica, which has torch already: its pid. It runs the block with the folder named, and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            os.environ.pop(NAME, None)
            with kept_kernels(CPU, {}):
                block()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def status(pid: int) -> int:
    """How a child has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.integration
@pytest.mark.filterwarnings(FORKED)
def test_what_a_killed_process_has_left_is_thrown_away(folder: Path) -> None:
    def compile_half() -> None:
        (named() / "half").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    assert status(forked(compile_half)) == -signal.SIGKILL
    assert [file.name for file in folder.glob("*/*")] == ["half"]
    with kept_kernels(CPU, {}):
        assert list(named().iterdir()) == []


@pytest.mark.integration
@pytest.mark.filterwarnings(FORKED)
def test_of_replicas_that_start_at_once_one_compiles_and_the_others_wait_for_it() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as said:
        with kept_kernels(CPU, {}):
            replica = forked(lambda: os.write(writer, repr([*named().iterdir()]).encode()))
            os.close(writer)
            assert not select.select([said], [], [], 0.3)[0], "it has not waited"
            (named() / "kernel").touch()
        assert "kernel" in said.read()
    assert status(replica) == 0


def test_a_folder_that_cannot_be_written_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    monkeypatch.setenv("SPEECHMILL_CACHE", str(blocked))
    with kept_kernels(CPU, {}):
        assert NAME not in os.environ
