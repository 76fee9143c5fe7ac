"""What is on the disk when a write returns, and who waits for whom."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechmill.cluster.storage import local_files
from speechmill.cluster.storage.local import LocalStorage
from speechmill.errors import StorageConflict, StorageUnavailable


@pytest.fixture
def store(tmp_path: Path) -> LocalStorage:
    """An empty store whose folder is not there yet."""
    return LocalStorage(tmp_path / "out" / "root")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Each sync: what was synced, and, of a folder, the names that were in it by then."""
    calls: list[tuple[str, list[str]]] = []
    sync = os.fsync

    def spy(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append((str(path), sorted(each.name for each in path.iterdir()) if path.is_dir() else []))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    return calls


@pytest.mark.parametrize("put", [LocalStorage.put, lambda store, key, data: store.put_if(key, data, None)])
def test_a_name_is_on_disk_and_the_folders_on_its_way(
    store: LocalStorage, synced: list[tuple[str, list[str]]], put: Callable[..., Any]
) -> None:
    """Story: after a power cut, files were whole, but their folders did not know them."""
    root = Path(store.uri)
    put(store, "a/b/c", b"x")
    folders = {path: names for path, names in synced if names}
    assert "root" in folders[str(root.parent)]
    assert "a" in folders[str(root)]
    assert folders[str(root / "a")] == ["b"]
    assert folders[str(root / "a/b")] == ["c"]
    synced.clear()
    put(store, "a/b/d", b"x")
    assert synced[-1] == (str(root / "a/b"), ["c", "d"])
    assert synced[0][0].endswith(".tmp")


def test_a_folder_that_cannot_be_synced_is_written_to_all_the_same(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems say that of every folder. A disk that fails is another matter."""
    sync = os.fsync
    refusal = OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def refuse(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise refusal
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    store.put("a", b"x")
    assert store.get("a") == b"x"
    refusal = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(StorageUnavailable):
        store.put("b", b"x")


def test_without_links_an_object_is_still_made_once(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none: then the lock alone keeps two apart."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store.put_if("a", b"first", None)
    with pytest.raises(StorageConflict):
        store.put_if("a", b"second", None)
    assert store.get("a") == b"first"
    with pytest.raises(FileExistsError), local_files.written(Path(store.uri) / "a", is_new=True) as file:
        file.write(b"by one without the lock")
    assert [path.name for path in Path(store.uri).iterdir() if path.name != ".lock.tmp"] == ["a"]


def test_a_file_system_without_locks_is_told(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not trusted in silence, and not taken for a missing permission."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    assert store.can_put_if()
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        assert not store.can_put_if()
        with pytest.raises(StorageUnavailable):
            store.put_if("a", b"x", None)
    with local_files.alone(Path(store.uri)):
        assert store.can_put_if()


def test_a_lock_that_is_never_given_back_is_said(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that was stopped in the middle of its write; a killed one gives its lock back."""
    code = """
    import sys
    from pathlib import Path
    from speechmill.cluster.storage.local_files import alone, make_folder
    make_folder(Path(sys.argv[1]))
    with alone(Path(sys.argv[1])):
        print("in", flush=True)
        sys.stdin.read()
    """
    monkeypatch.setattr(local_files, "LOCK_S", 0.05)
    command = [sys.executable, "-c", f"if True:{code}", store.uri]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in\n"
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(StorageUnavailable, match="has held its lock"):
            store.put_if("a", b"x", None)
        child.kill()
        child.wait()
    store.put_if("a", b"x", None)


def test_a_deleted_store_stays_deleted(store: LocalStorage) -> None:
    """Who replaces an object does not bring its folder back."""
    tag = store.put_if("a", b"x", None)
    shutil.rmtree(store.uri)
    with pytest.raises(StorageConflict):
        store.put_if("a", b"y", tag)
    assert not Path(store.uri).exists()


def test_a_counter_that_many_processes_raise_misses_none(store: LocalStorage) -> None:
    """Law: each success is one step; by processes, whose locks are of the file system alone."""
    code = """
    import sys
    from speechmill.cluster.storage.local import LocalStorage
    from speechmill.errors import StorageConflict
    store, name, done = LocalStorage(sys.argv[1]), sys.argv[2], 0
    while done < 40:
        found = store.get_tagged("count")
        number = int(found.data.split()[0]) + 1
        try:
            store.put_if("count", f"{number} {name}".encode(), found.tag)
            done += 1
        except StorageConflict:
            pass
    """
    store.put_if("count", b"0 begin", None)
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", f"if True:{code}", store.uri]
        children = [stack.enter_context(subprocess.Popen([*command, name])) for name in ("a", "b", "c")]
        assert [child.wait() for child in children] == [0, 0, 0]
    assert store.get("count").split()[0] == b"120"
