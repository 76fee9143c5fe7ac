"""What only a folder does: temporary files, links, permissions, full disks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmill.cluster.storage.local.store import LocalStorage, storage_error
from speechmill.errors import (
    SpeechmillError,
    StorageDenied,
    StorageFull,
    StorageMissing,
    StorageUnavailable,
)

names = st.text("!-.0aé", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
key_sets = st.sets(st.lists(names, min_size=1, max_size=3).map("/".join), max_size=12)


@pytest.fixture
def store(tmp_path: Path) -> LocalStorage:
    """An empty store."""
    return LocalStorage(tmp_path / "root")


def keys(store: LocalStorage, prefix: str = "") -> list[str]:
    """The listed keys."""
    return [entry.key for entry in store.list(prefix)]


@given(key_sets, names)
def test_the_listing_is_the_sorted_set_of_keys(wanted: set[str], prefix: str) -> None:
    """Law: whatever the names, key order is that of the whole keys."""
    wanted = {key for key in wanted if not any(other.startswith(f"{key}/") for other in wanted)}
    with tempfile.TemporaryDirectory() as folder:
        for key in wanted:
            path = Path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        store = LocalStorage(folder)
        assert keys(store) == sorted(wanted)
        assert keys(store, prefix) == sorted(key for key in wanted if key.startswith(prefix))


def test_a_write_in_progress_is_not_listed_and_a_failed_one_leaves_nothing(store: LocalStorage) -> None:
    """Left-overs of killed writers are hidden and cannot be addressed."""
    root = Path(store.uri)
    store.put("a", b"x")
    (root / ".killed.tmp").write_bytes(b"half")
    (root / "folder").mkdir()
    with pytest.raises(StorageDenied, match="cannot also be a folder"):
        store.put("folder", b"x")
    assert keys(store) == ["a"]
    with pytest.raises(StorageDenied, match="kept for writes"):
        store.get(".killed.tmp")
    assert sorted(path.name for path in root.iterdir()) == [".killed.tmp", "a", "folder"]


def test_an_object_below_an_object_is_refused(store: LocalStorage) -> None:
    """A file is no folder; S3 would allow it, a file system does not."""
    store.put("a", b"x")
    with pytest.raises(StorageDenied, match="cannot also be a folder"):
        store.put("a/b/c", b"x")
    assert keys(store) == ["a"]


def test_objects_get_the_usual_permissions(store: LocalStorage) -> None:
    """Not the 0600 of temporary files: others read what the umask lets them."""
    store.put("a", b"x")
    umask = os.umask(0o022)
    os.umask(umask)
    assert (Path(store.uri) / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_delete_prunes_the_folders_it_empties_but_not_the_root(store: LocalStorage) -> None:
    """Folders are no objects: they go with their last one."""
    store.put("a/b/c", b"x")
    store.put("a/d", b"x")
    store.delete(["a/b/c"])
    assert not (Path(store.uri) / "a/b").exists()
    store.delete(["a/d"])
    assert list(Path(store.uri).iterdir()) == []


def test_puts_and_prunes_do_not_trip_over_each_other(store: LocalStorage) -> None:
    """Story: mkdir found the folder, another thread's delete pruned it, and the put failed for want of a folder."""

    def put_and_delete(number: int) -> None:
        for _ in range(60):
            store.put(f"a/b/c/{number}", b"x")
            store.delete([f"a/b/c/{number}"])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(put_and_delete, range(4)))
    assert keys(store) == []


def test_no_link_leads_out(store: LocalStorage, tmp_path: Path) -> None:
    """A link to a folder outside is neither listed, read, written through nor deleted through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put("a", b"x")
    root = Path(store.uri)
    (root / "out").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    assert keys(store, "out/") == []
    for use in (
        lambda: store.get("out/secret"),
        lambda: store.open("file"),
        lambda: store.put("out/new", b"x"),
        lambda: store.put("out/deep/new", b"x"),
        lambda: store.delete(["out/secret"]),
    ):
        with pytest.raises(StorageDenied, match="symbolic link"):
            use()
    # A link is listed, so that nothing goes missing in silence; overwriting and deleting it spare its target.
    assert keys(store) == ["a", "file"]
    store.put("file", b"mine")
    assert store.get("file") == b"mine"
    assert not (root / "file").is_symlink()
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_links_inside_are_fine_and_circles_do_no_harm(store: LocalStorage) -> None:
    """A link to a file inside reads as that file; links to folders are not walked."""
    store.put("a/x", b"x")
    root = Path(store.uri)
    (root / "b").symlink_to(root / "a/x")
    (root / "a/circle").symlink_to(root)
    (root / "knot").symlink_to(root / "knot")
    (root / "dangling").symlink_to(root / "nowhere")
    assert keys(store) == ["a/x", "b"]
    assert store.get("b") == b"x"
    with pytest.raises(StorageMissing):
        store.get("dangling")


def test_a_root_that_is_a_link_is_fine(tmp_path: Path) -> None:
    """Data folders often are."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = LocalStorage(tmp_path / "link")
    store.put("a/b", b"x")
    assert keys(store) == keys(store, "a/") == ["a/b"]
    assert store.get("a/b") == b"x"


def test_what_is_no_regular_file_is_no_object(store: LocalStorage) -> None:
    """A pipe would make its reader wait for ever."""
    store.put("a", b"x")
    os.mkfifo(Path(store.uri) / "pipe")
    assert keys(store) == ["a"]
    with pytest.raises(StorageMissing, match="no regular file"):
        store.get("pipe")


def test_files_that_vanish_during_a_listing_are_passed_over(store: LocalStorage) -> None:
    """Files and folders alike."""
    for key in ("a", "b", "c/x", "d"):
        store.put(key, b"x")
    listing = store.list()
    assert next(listing).key == "a"
    store.delete(["b", "c/x"])
    assert [entry.key for entry in listing] == ["d"]


def test_check_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Missing to read from; made to write to; a file is neither."""
    store = LocalStorage(tmp_path / "new/folder")
    assert keys(store) == []
    with pytest.raises(StorageMissing, match="new/folder"):
        store.check(write=False)
    store.check(write=True)
    store.check(write=False)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageMissing, match="file"):
        LocalStorage(tmp_path / "file").check(write=False)
    with pytest.raises(StorageDenied, match="file"):
        LocalStorage(tmp_path / "file").check(write=True)


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy in a process with another working directory has to mean the same folder."""
    monkeypatch.chdir(tmp_path)
    store = LocalStorage("data")
    assert store.uri == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("code", "action", "kind"),
    [
        (errno.ENOSPC, "writing", StorageFull),
        (errno.EDQUOT, "writing", StorageFull),
        (errno.EFBIG, "writing", StorageFull),
        (errno.EACCES, "writing", StorageDenied),
        (errno.EPERM, "reading", StorageDenied),
        (errno.EROFS, "writing", StorageDenied),
        (errno.ENAMETOOLONG, "writing", StorageDenied),
        (errno.ENOTDIR, "writing", StorageDenied),
        (errno.ENOTDIR, "reading", StorageMissing),
        (errno.ENOENT, "reading", StorageMissing),
        (errno.EIO, "reading", StorageUnavailable),
        (errno.ESTALE, "listing", StorageUnavailable),
        (errno.EMFILE, "reading", StorageUnavailable),
    ],
)
def test_each_os_error_has_its_meaning(code: int, action: str, kind: type[SpeechmillError]) -> None:
    """The kind decides the exit status; the message names path and reason."""
    error = storage_error(OSError(code, os.strerror(code)), action, "/data/x")
    assert type(error) is kind
    assert f"{action} /data/x: {os.strerror(code)}" in str(error)


def run_python(code: str, *arguments: str) -> str:
    """Run code in a process of its own, whose limits and user are nobody else's."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("size", [1_000_001, 3_000_000])
def test_a_full_disk_is_said_and_keeps_the_old_object(tmp_path: Path, size: int) -> None:
    """By a real limit on file sizes. One byte too much is a short write, which must not pass for a whole one."""
    answer = run_python(
        """
        import resource, sys
        from speechmill.cluster.storage.local.store import LocalStorage
        from speechmill.errors import StorageFull
        store = LocalStorage(sys.argv[1])
        store.put("a", b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            store.put("a", bytes(int(sys.argv[2])))
        except StorageFull as error:
            print(error)
        """,
        str(tmp_path / "root"),
        str(size),
    )
    assert "writing" in answer
    assert "free some space" in answer
    assert LocalStorage(tmp_path / "root").get("a") == b"old"
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["a"]


def test_a_folder_of_somebody_else_is_denied() -> None:
    """Written and read as a user who may not."""
    with tempfile.TemporaryDirectory() as folder:
        LocalStorage(folder).put("a", b"x")
        Path(folder, "a").chmod(0)
        Path(folder).chmod(0o555)
        answer = run_python(
            """
            import os, sys
            from speechmill.cluster.storage.local.store import LocalStorage
            from speechmill.errors import StorageDenied
            store = LocalStorage(sys.argv[1])
            if os.getuid() == 0:  # whom no permission stops
                os.setuid(65534)
            for use in (lambda: store.check(write=True), lambda: store.put("b", b"x"), lambda: store.get("a")):
                try:
                    use()
                except StorageDenied as error:
                    print(error)
            """,
            folder,
        )
        Path(folder).chmod(0o755)
    assert answer.count("Permission denied; give this user access") == 3
