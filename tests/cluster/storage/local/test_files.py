"""What is on the disk when a write returns, and who waits for whom."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechmill.cluster.storage.local import versions as local_versions
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import StorageConflict, StorageDenied, StorageUnavailable


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


def test_a_file_system_without_links_is_told(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not trusted in silence, and not taken for a missing permission."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    tag = store.put_if("a", b"x", None)
    assert store.can_put_if()
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        assert not store.can_put_if()
        with pytest.raises(StorageDenied):
            store.put_if("b", b"y", None)
        with pytest.raises(StorageDenied):
            store.put_if("a", b"y", tag)
    monkeypatch.setattr(os, "link", lambda *_, **__: None)  # one that makes a name twice
    assert not store.can_put_if()
    assert store.get("a") == b"x"
    assert [path.name for path in Path(store.uri).iterdir()] == ["a"]


_PAUSED = """
import os, signal, sys
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.cluster.storage.local.versions import Versions
from speechmill.errors import StorageConflict

store, last, is_before = LocalStorage(sys.argv[1]), sys.argv[2], sys.argv[3] == "before"
do = Versions._do

def paused(self, step, data):
    is_it = type(step).__name__ == last
    if is_it and is_before:
        os.kill(os.getpid(), signal.SIGSTOP)
    answer = do(self, step, data)
    if is_it and not is_before:
        os.kill(os.getpid(), signal.SIGSTOP)
    return answer

Versions._do = paused
try:
    store.put_if("a", b"of the paused", store.get_tagged("a").tag)
    print("written")
except StorageConflict:
    print("refused")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["FindClaim", "Stage", "ClaimVersion", "FindOld", "Move"])
def test_a_process_that_is_paused_in_its_write_keeps_nobody_waiting(store: LocalStorage, step: str, when: str) -> None:
    """It used to hold a lock, so that no other run could take the output. When it goes on, it tells the truth."""
    store.put_if("a", b"old", None)
    command = [sys.executable, "-c", _PAUSED, store.uri, step, when]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        seen = [store.get("a")]
        for data in (b"one", b"two", b"three"):
            while seen[-1] != data:
                with contextlib.suppress(StorageConflict):
                    store.put_if("a", data, store.get_tagged("a").tag)
                seen.append(store.get("a"))
        child.send_signal(signal.SIGCONT)
        output, _ = child.communicate()
    is_written = b"of the paused" in seen
    assert output.decode().strip() == ("written" if is_written else "refused")
    # From its claim on, the write of the paused process is carried out by others.
    assert is_written == (step in ("FindOld", "Move") or (step, when) == ("ClaimVersion", "after"))
    assert store.get("a") == b"three"


def test_claims_that_are_over_go_and_those_of_other_files_stay(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a lease that is renewed for a week leaves no heap of names."""
    monkeypatch.setattr(local_versions, "KEEP_S", 0.0)
    tags = {key: store.put_if(key, f"{key} begins".encode(), None) for key in ("a", "b")}
    for number in range(5):
        tags = {key: store.put_if(key, f"{key} {number}".encode(), tag) for key, tag in tags.items()}
    hidden = [path for path in Path(store.uri).iterdir() if path.name not in ("a", "b")]
    assert len(hidden) == 2
    assert all(path.is_file() and not path.is_symlink() for path in hidden), "the folder can be copied"
    monkeypatch.setattr(local_versions, "KEEP_S", 600.0)
    for number in range(5):
        tags["a"] = store.put_if("a", f"a again {number}".encode(), tags["a"])
    assert len(list(Path(store.uri).iterdir())) == 4 + 5


def test_a_claim_that_no_write_made_moves_nothing(store: LocalStorage, tmp_path: Path) -> None:
    """An output may have been edited by anyone: a claim must not bring another file in."""
    (tmp_path / "secret").write_bytes(b"of the user")
    tag = store.put_if("a", b"old", None)
    claim = local_versions.Versions(Path(store.uri) / "a", lambda: tag)._claim(tag)
    for target in ("../secret", f".{'0' * 32}.tmp"):
        claim.write_text(target)
        with pytest.raises(StorageUnavailable, match="remove that file"):
            store.put_if("a", b"new", tag)
        claim.unlink()
    assert (tmp_path / "secret").exists()
    store.put_if("a", b"new", tag)
    assert store.get("a") == b"new"


def test_a_deleted_store_stays_deleted(store: LocalStorage) -> None:
    """Who replaces an object does not bring its folder back."""
    tag = store.put_if("a", b"x", None)
    shutil.rmtree(store.uri)
    with pytest.raises(StorageConflict):
        store.put_if("a", b"y", tag)
    assert not Path(store.uri).exists()


@pytest.mark.integration
def test_a_counter_that_many_processes_raise_misses_none(store: LocalStorage) -> None:
    """Law: each success is one step; by processes, which share nothing but the file system."""
    code = """
    import sys
    from speechmill.cluster.storage.local.store import LocalStorage
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
