"""What every store promises, held by each of them: a local folder and a real S3 server."""

from __future__ import annotations

import gzip
import io
import multiprocessing
import pickle
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from speechmill.cluster.storage import S3Options, Storage, Tagged, open_storage
from speechmill.cluster.storage.s3 import store as s3_store
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import SpeechmillError, StorageConflict, StorageDenied, StorageMissing

ODD_KEYS = [
    "a b.txt",
    "100%.txt",
    "a%20b.txt",
    "a+b.txt",
    "é/ü ñ.wav",
    "日本/語.wav",
    "😀/x",
    "a&b=c?d#e",
    "q'uote\"s",
    "...",
    "..x/y",
    "[1]*{2}",
    "a:b;c,d",
]
# "-" and " " come before "/", "0" after it: folder by folder is not key order.
ORDER_KEYS = ["a/x", "a-b/x", "a b/x", "a.txt", "a0", "a/y/z", "a/y-1", "a/y!/q", "Z", "é", "b", "ｆ", "😀"]


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty store of each kind."""
    if request.param == "local":
        return open_storage(str(tmp_path / "store"))
    server = request.getfixturevalue("s3_env")
    uri = f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"
    return open_storage(uri, S3Options(server.endpoint, max_attempts=3))


def keys(store: Storage, prefix: str = "") -> list[str]:
    """The listed keys."""
    return [entry.key for entry in store.list(prefix)]


def test_what_is_put_can_be_got(store: Storage, tmp_path: Path) -> None:
    """From memory and from a file, which stays; overwriting replaces."""
    upload = tmp_path / "upload"
    upload.write_bytes(b"from a file")
    store.put("a", b"from memory")
    store.put("b/c", upload)
    assert (store.get("a"), store.get("b/c")) == (b"from memory", b"from a file")
    assert upload.read_bytes() == b"from a file"
    store.put("a", b"new")
    assert store.get("a") == b"new"
    assert keys(store) == ["a", "b/c"]


def test_no_bytes_are_an_object(store: Storage, tmp_path: Path) -> None:
    """Also opened, and also with another PUT on the same connection after it (boto/botocore#3755)."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    store.put("zero", b"")
    store.put("file", empty)
    store.put("after", b"x")
    assert store.get("zero") == b""
    assert store.exists("zero")
    with store.open("zero") as file:
        assert file.read() == b""
        assert file.seek(0, io.SEEK_END) == 0
    assert [(entry.key, entry.size) for entry in store.list()] == [("after", 1), ("file", 0), ("zero", 0)]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_survive_the_round_trip(store: Storage, key: str) -> None:
    """What a user may call a row, a file name may hold."""
    store.put(key, key.encode())
    assert store.get(key) == key.encode()
    with store.open(key) as file:
        assert file.read() == key.encode()
    assert keys(store) == [key]
    assert keys(store, key) == [key]
    assert store.exists(key)
    assert store.location(key) == f"{store.uri}/{key}"
    assert store.delete([key]) == 1
    assert keys(store) == []


def test_the_listing_is_in_key_order(store: Storage) -> None:
    """Law: by whole key, not folder by folder; a prefix may stop anywhere."""
    for key in ORDER_KEYS:
        store.put(key, b"x")
    assert keys(store) == sorted(ORDER_KEYS)
    for prefix in ["a", "a/", "a/y", "a-", "b", "z", "a/y/", "é"]:
        assert keys(store, prefix) == sorted(key for key in ORDER_KEYS if key.startswith(prefix))


@pytest.mark.parametrize("page", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_listing_of_more_than_a_page(store: Storage, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders around the seam come in order as well, and deletes go in batches. S3's own page has 1,000 keys."""
    if isinstance(store, S3Storage) and page < 1_000:
        monkeypatch.setattr(s3_store, "_DELETE_BATCH", page)
        store._client().meta.events.register(
            "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=page)
        )
    middle = f"n/{page // 2:05}"
    wanted = [f"n/{number:05}" for number in range(page * 13 // 10)] + [
        "n-/x",
        "n!",
        f"{middle}/x",
        f"{middle}!/x",
        "n0",
    ]
    wanted.remove(middle)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: store.put(key, b"x"), wanted))
    assert keys(store) == sorted(wanted)
    prefix = f"n/{page:05}".rstrip("0")
    assert keys(store, prefix) == [f"n/{number:05}" for number in range(page, page * 13 // 10)]
    assert store.delete(iter(wanted)) == len(wanted)
    assert keys(store) == []


def test_versions_follow_the_content(store: Storage) -> None:
    """A listing twice is the same; after a change it is not."""
    store.put("a", b"one")
    before = list(store.list())
    assert list(store.list()) == before
    store.put("a", b"other")
    after = list(store.list())
    assert (before[0].size, after[0].size) == (3, 5)
    assert before[0].version != after[0].version


def test_what_is_missing_says_so_with_its_uri(store: Storage) -> None:
    """Absent objects, and a folder asked for as an object."""
    store.put("folder/x", b"x")
    for key in ("absent", "absent/x", "folder", "folder/x/y"):
        assert not store.exists(key)
        for read in (store.get, store.get_tagged, store.open):
            with pytest.raises(StorageMissing) as caught:
                read(key)
            assert store.location(key) in str(caught.value)


def test_deleting_what_is_absent_does_not_matter(store: Storage) -> None:
    """The count is of keys asked for; others stay."""
    store.put("a/b/c", b"x")
    store.put("a/d", b"x")
    assert store.delete(["a/b/c", "absent", "a/b", "a/d/e"]) == 4
    assert keys(store) == ["a/d"]
    assert store.delete([]) == 0


@pytest.mark.parametrize("key", ["../x", "/x", "a/../../x", "x\0", "..\\x", ""])
def test_no_key_leaves_the_store(store: Storage, key: str) -> None:
    """Every door is shut."""
    for use in (
        store.get,
        store.get_tagged,
        store.open,
        store.exists,
        lambda key: store.put(key, b""),
        lambda key: store.put_if(key, b"", None),
        lambda key: store.delete([key]),
    ):
        with pytest.raises(StorageDenied, match="key"):
            use(key)
    with pytest.raises(StorageDenied):
        store.list("../")


def test_an_upload_that_is_not_there_is_named(store: Storage, tmp_path: Path) -> None:
    """And leaves nothing behind."""
    with pytest.raises(StorageMissing, match="no-such-upload"):
        store.put("a", tmp_path / "no-such-upload")
    assert keys(store) == []


def test_check_passes_on_a_good_store_and_leaves_nothing(store: Storage) -> None:
    """Reading and writing."""
    store.check(write=True)
    store.check(write=False)
    assert keys(store) == []


def test_an_open_object_is_seekable(store: Storage) -> None:
    """From the beginning, the position and the end."""
    store.put("a", bytes(range(256)) * 4000)
    with store.open("a") as file:
        assert file.read(3) == bytes([0, 1, 2])
        assert file.seek(-2, io.SEEK_END) == 1024000 - 2
        assert file.read() == bytes([254, 255])
        file.seek(256 * 2000)
        assert file.read(2) == bytes([0, 1])
        file.seek(-1, io.SEEK_CUR)
        assert file.read(1) == bytes([1])


def test_a_corpus_can_be_streamed_from_it(store: Storage) -> None:
    """As csv by lines, gzip, and parquet by row groups."""
    rows = "".join(f"{number},line {number} of the text\n" for number in range(20000))
    store.put("rows.csv", rows.encode())
    store.put("rows.csv.gz", gzip.compress(rows.encode()))
    table = pa.table({"id": list(range(20000)), "text": [f"text {number * 7919}" for number in range(20000)]})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, row_group_size=3000)
    store.put("rows.parquet", sink.getvalue())

    with store.open("rows.csv") as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as lines:
        assert "".join(lines) == rows
    with store.open("rows.csv.gz") as file, gzip.open(file, "rt", encoding="utf-8") as lines:
        assert "".join(lines) == rows
    with store.open("rows.csv") as file:
        assert pyarrow.csv.open_csv(file).read_all().num_rows == 19999
    with store.open("rows.parquet") as file:
        parquet = pyarrow.parquet.ParquetFile(file)
        assert parquet.read_row_group(5).equals(table.slice(15000, 3000))
        assert pa.Table.from_batches(parquet.iter_batches(1000)).equals(table)


def test_a_store_travels_to_another_process(store: Storage) -> None:
    """A pickled copy opens its own connection, also after the original was used."""
    store.put("a", b"x")
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.uri, copy.get("a")) == (store.uri, b"x")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(copy.get, ("a",)) == b"x"


def test_threads_share_a_store(store: Storage) -> None:
    """Many at once, through one client."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: store.put(f"{number % 7}/{number}", str(number).encode()), range(100)))
        got = list(threads.map(lambda number: store.get(f"{number % 7}/{number}"), range(100)))
    assert got == [str(number).encode() for number in range(100)]


def test_readers_never_see_half_an_object(store: Storage) -> None:
    """Law: while it is overwritten over and over, every read gives one of the versions whole."""
    versions = [bytes([number]) * 200_000 for number in range(20)]
    store.put("a", versions[0])
    with ThreadPoolExecutor(3) as threads:
        writing = threads.submit(lambda: [store.put("a", version) for version in versions])
        seen = set[bytes]()
        while not writing.done():
            seen.add(store.get("a"))
    assert seen <= set(versions)
    assert store.get("a") == versions[-1]


def test_a_name_that_no_store_takes_is_an_error_with_the_reason(store: Storage) -> None:
    """Too long for a file system, and for S3."""
    with pytest.raises(SpeechmillError, match=r"255 bytes|1,024 bytes"):
        store.put("x" * 1100, b"")


# Conditional writes.


def test_an_object_is_made_once(store: Storage) -> None:
    """The second one to make it is told, and changes nothing."""
    tag = store.put_if("a/b", b"first", None)
    with pytest.raises(StorageConflict, match="another writer came first") as caught:
        store.put_if("a/b", b"second", None)
    assert store.location("a/b") in str(caught.value)
    assert store.get_tagged("a/b") == Tagged(b"first", tag)
    assert keys(store) == ["a/b"]


def test_an_object_is_replaced_only_by_who_knows_it(store: Storage) -> None:
    """By its tag, which a plain put changes as well; no tag brings back what is gone."""
    old = store.put_if("a", b"one", None)
    new = store.put_if("a", b"two", old)
    assert new != old
    with pytest.raises(StorageConflict):
        store.put_if("a", b"three", old)
    store.put("a", b"plain")
    with pytest.raises(StorageConflict):
        store.put_if("a", b"three", new)
    assert store.put_if("a", b"four", store.get_tagged("a").tag) == store.get_tagged("a").tag
    assert store.get("a") == b"four"
    store.delete(["a"])
    with pytest.raises(StorageConflict):
        store.put_if("a", b"five", new)
    assert keys(store) == []


@pytest.mark.parametrize("is_there", [False, True])
def test_of_many_writers_one_comes_first(store: Storage, is_there: bool) -> None:
    """Law: whoever wins, its bytes are there. Few threads a key: on a race, the server takes a second to answer."""

    def write(key: str, barrier: Barrier, data: bytes, tag: str | None) -> bytes | None:
        barrier.wait()
        try:
            store.put_if(key, data, tag)
        except StorageConflict:
            return None
        return data

    store.can_put_if()
    with ThreadPoolExecutor(60) as threads:
        rounds: dict[str, list[Future[bytes | None]]] = {}
        for key in [f"{number:02}" for number in range(20)]:
            tag = store.put_if(key, b"old", None) if is_there else None
            barrier = Barrier(3)
            rounds[key] = [threads.submit(write, key, barrier, f"{key} by {who}".encode(), tag) for who in range(3)]
        for key, writers in rounds.items():
            won = [data for data in (writer.result() for writer in writers) if data is not None]
            assert won == [store.get(key)]


def test_the_store_keeps_its_conditions_and_trying_leaves_nothing(store: Storage) -> None:
    """Both kinds that we have do."""
    assert store.can_put_if()
    assert keys(store) == []
