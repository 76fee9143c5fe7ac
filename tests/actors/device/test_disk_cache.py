"""Files kept between runs: whole or not at all, and nothing that something else wrote."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from speechmill.actors.device.disk_cache import DiskCache, cache_folder, file_name


def test_the_folder_is_named_by_the_user_or_stands_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMILL_CACHE", str(tmp_path / "named"))
    assert DiskCache("slots").folder == tmp_path / "named" / "slots"
    monkeypatch.delenv("SPEECHMILL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "speechmill"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "speechmill"


def test_what_is_written_is_read_back_and_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    cache = DiskCache("numbers", tmp_path / "numbers")
    assert cache.read("one", int) is None
    cache.write("one", "1")
    assert cache.read("one", int) == 1
    (cache.folder / "one").write_text("1 and ha")
    assert cache.read("one", int) is None
    (cache.folder / "one").write_bytes(b"\xff\xfe")
    assert cache.read("one", int) is None
    (cache.folder / "folder").mkdir()
    assert cache.read("folder", int) is None
    cache.write("one", "2")
    assert cache.read("one", int) == 2


def test_threads_that_write_one_file_leave_one_of_their_contents(tmp_path: Path) -> None:
    """Law: a reader sees one of the written texts, never a mixture, and no scratch file is left."""
    cache = DiskCache("texts", tmp_path)
    texts = [str(number) * 50_000 for number in range(4)]

    def write(text: str) -> str | None:
        cache.write("text", text)
        return cache.read("text", str)

    with ThreadPoolExecutor(4) as threads:
        seen = set(threads.map(write, texts * 10))
    assert seen <= set(texts)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_folder_that_cannot_be_written_keeps_nothing_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache("costs", tmp_path / "file" / "costs")
    cache.write("one", "1")
    assert cache.read("one", int) is None
    assert "costs/one is not kept" in caplog.text
    with cache.exclusive("one", 0.1):
        assert "without a lock" in caplog.text


def test_one_at_a_time_works_at_a_name(tmp_path: Path) -> None:
    cache = DiskCache("profiles", tmp_path)

    def add(_: int) -> None:
        with cache.exclusive("sum.json", 60.0):
            cache.write("sum.json", str((cache.read("sum.json", int) or 0) + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(40)))
    assert cache.read("sum.json", int) == 40


def test_files_are_listed_from_the_newest_on(tmp_path: Path) -> None:
    cache = DiskCache("profiles", tmp_path)
    for at_s, name in enumerate(("b.json", "a.json", "c.txt")):
        cache.write(name, "")
        os.utime(tmp_path / name, (at_s, at_s))
    assert cache.newest_first("*.json") == ["a.json", "b.json"]
    assert (cache.changed_s("a.json"), cache.changed_s("d.json")) == (1.0, 0.0)


def test_another_key_has_another_file() -> None:
    assert file_name({"a": 1, "b": 2}) == file_name({"b": 2, "a": 1}) != file_name({"a": 1})
    assert file_name([1], "tone-").startswith("tone-")


def test_bytes_are_kept_and_the_oldest_go_first(tmp_path: Path) -> None:
    cache = DiskCache("clips", tmp_path)
    for number in range(5):
        cache.write_bytes(f"{number}.bin", bytes(100))
        os.utime(tmp_path / f"{number}.bin", (number, number))
    assert cache.read_bytes("0.bin", len) == 100, "and is new from now on"
    assert cache.read_bytes("none.bin", len) is None
    cache.keep_newest("*.bin", 250)
    assert sorted(path.name for path in tmp_path.glob("*.bin")) == ["0.bin", "4.bin"]


def test_files_of_another_user_are_read_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that several users share, such a clip was fetched again for each row, and ended the shard."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    cache = DiskCache("clips", tmp_path)
    cache.write_bytes("0.bin", bytes(100))
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert cache.read_bytes("0.bin", len) == 100
    cache.keep_newest("*.bin", 0)
    assert (tmp_path / "0.bin").exists()
