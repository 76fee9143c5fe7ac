"""Digests that are remembered: true, and taken once."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmill.actors.models.file_digests import sha256


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_the_digest_is_that_of_the_bytes_however_often_they_change(tmp_path: Path, contents: list[bytes]) -> None:
    file = tmp_path / "file"
    for time_s, content in enumerate(contents):
        file.write_bytes(content)
        os.utime(file, (time_s, time_s))
        memory = tmp_path / "memory" / hashlib.sha256(repr(contents).encode()).hexdigest()
        for _ in range(2):
            assert sha256(file, memory) == hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file, memory = tmp_path / "file", tmp_path / "memory"
    file.write_bytes(b"before")
    os.utime(file, (1, 1))
    first = sha256(file, memory)
    file.write_bytes(b"behind")  # as long, and made to look as old
    os.utime(file, (1, 1))
    assert sha256(file, memory) == first
    os.utime(file, (2, 2))
    assert sha256(file, memory) == hashlib.sha256(b"behind").hexdigest()


def test_another_name_for_a_file_shares_its_digest(tmp_path: Path) -> None:
    file, memory = tmp_path / "file", tmp_path / "memory"
    file.write_bytes(b"content")
    (tmp_path / "link").symlink_to(file)
    assert sha256(tmp_path / "link", memory) == sha256(file, memory)
    assert len(list(memory.iterdir())) == 1


@pytest.mark.parametrize("kept", [b"", b"abc", b"\xff" * 64])
def test_a_memory_that_is_damaged_is_not_believed(tmp_path: Path, kept: bytes) -> None:
    file, memory = tmp_path / "file", tmp_path / "memory"
    file.write_bytes(b"content")
    digest = sha256(file, memory)
    next(memory.iterdir()).write_bytes(kept)
    assert sha256(file, memory) == digest
    assert next(memory.iterdir()).read_text() == digest


def test_a_memory_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, memory = tmp_path / "file", tmp_path / "memory"
    file.write_bytes(b"content")
    memory.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert sha256(file, memory) == hashlib.sha256(b"content").hexdigest()
    assert "is not kept" in caplog.text


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "file", tmp_path / "memory")
