"""What only a network store does: wrong keys, dead endpoints, broken connections, parts and ranges.

All against a real S3 server, through a proxy where the network has to break.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from speechmill.cluster.storage import S3Options
from speechmill.cluster.storage.s3.errors import ObjectPlace, storage_error
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import (
    CorpusError,
    SpeechmillError,
    StorageDenied,
    StorageFull,
    StorageMissing,
    StorageUnavailable,
)

MIB = 1 << 20


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


@pytest.fixture
def store(s3_env: Any, bucket: str) -> S3Storage:
    """An empty store with small blocks, straight to the server."""
    return open_s3(s3_env.endpoint, bucket)


@pytest.fixture
def shaky(s3_proxy: Any, bucket: str) -> S3Storage:
    """An empty store behind the proxy; three tries."""
    return open_s3(s3_proxy.endpoint, bucket)


def open_s3(endpoint: str, bucket: str, max_attempts: int = 3) -> S3Storage:
    """A store below a new prefix; parts of 5 MiB (the smallest S3 allows), blocks of 1 MiB."""
    options = S3Options(endpoint, max_attempts=max_attempts)
    return S3Storage(f"s3://{bucket}/{uuid.uuid4().hex}", options, multipart_bytes=5 * MIB, block_bytes=MIB)


# What is wrong, and whether it is said.


def test_a_wrong_secret_is_said_without_it(store: S3Storage, s3_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names key id, endpoint and bucket, and never a secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "quite-the-wrong-secret")
    with pytest.raises(StorageDenied, match="AWS_SECRET_ACCESS_KEY") as caught:
        store.check(write=False)
    for named in (s3_env.access_key, s3_env.endpoint, store.uri):
        assert named in str(caught.value)
    for secret in ("quite-the-wrong-secret", s3_env.secret_key):
        assert secret not in str(caught.value)


def test_an_unknown_key_id_is_said(store: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other half of a credential."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKNOBODY")
    with pytest.raises(StorageDenied, match="AKNOBODY is unknown there; correct AWS_ACCESS_KEY_ID"):
        store.check(write=True)
    with pytest.raises(StorageDenied, match="AKNOBODY"):
        store.put("a", b"x")


def test_no_credentials_are_said(store: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageDenied, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        store.check(write=False)


def test_a_profile_that_is_not_there_is_said(store: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boto3 raises this one before it makes a client."""
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(StorageDenied, match="nobodys"):
        store.check(write=False)


def test_a_missing_bucket_is_said_by_every_verb(s3_env: Any) -> None:
    """Not taken for an empty one."""
    store = open_s3(s3_env.endpoint, "no-such-bucket")
    for use in (
        lambda: store.check(write=False),
        lambda: store.put("a", b"x"),
        lambda: store.get("a"),
        lambda: store.open("a"),
        lambda: list(store.list()),
        lambda: store.exists("a"),
        lambda: store.delete(["a"]),
    ):
        with pytest.raises(StorageMissing, match="no bucket 'no-such-bucket'"):
            use()


def test_a_dead_endpoint_is_said_at_check(s3_env: Any, bucket: str) -> None:
    """After three tries at most, however many the options allow."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # without `listen` it refuses, and is not given to others
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StorageUnavailable, match="see whether the endpoint is up") as caught:
            open_s3(endpoint, bucket, max_attempts=1000).check(write=True)
    assert endpoint in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("QuotaExceeded", 403, StorageFull),
        ("XMinioStorageFull", 507, StorageFull),
        ("Unheard", 507, StorageFull),
        ("AccessDenied", 403, StorageDenied),
        ("ExpiredToken", 400, StorageDenied),
        ("RequestTimeTooSkewed", 403, StorageDenied),
        ("403", 403, StorageDenied),
        ("AuthorizationHeaderMalformed", 400, StorageDenied),
        ("MethodNotAllowed", 405, StorageDenied),
        ("404", 404, StorageMissing),
        ("NoSuchKey", 404, StorageMissing),
        ("NoSuchBucket", 404, StorageMissing),
        ("SlowDown", 503, StorageUnavailable),
        ("InternalError", 200, StorageUnavailable),
        ("InternalError", 500, StorageUnavailable),
        ("TooManyRequests", 429, StorageUnavailable),
        ("RequestTimeout", 400, StorageUnavailable),
    ],
)
def test_each_answer_has_its_meaning(code: str, status: int, kind: type[SpeechmillError]) -> None:
    """The kind decides the exit status. Answers that our server never gives."""
    answer: Any = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    place = ObjectPlace("s3://b/p", "b", "http://host", "AKID")
    error = storage_error(ClientError(answer, "PutObject"), "writing", place)
    assert type(error) is kind
    assert str(error).startswith("writing s3://b/p at http://host: ")
    assert code in str(error)
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), StorageDenied),
        (EndpointConnectionError(endpoint_url="http://host"), StorageUnavailable),
        (ReadTimeoutError(endpoint_url="http://host"), StorageUnavailable),
    ],
)
def test_each_failure_to_ask_has_its_meaning(error: Exception, kind: type[SpeechmillError]) -> None:
    """What happens before a service answers."""
    assert type(storage_error(error, "writing", ObjectPlace("s3://b", "b", "http://host", "AKID"))) is kind


def test_a_delete_that_is_refused_is_an_error(store: S3Storage) -> None:
    """Batch deletes answer 200 and hide refusals in the body."""
    store.put("a", b"x")
    client = store._client()
    refusal = {"Key": "a", "Code": "AccessDenied", "Message": "no"}

    def refuse(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [refusal]

    client.meta.events.register("after-call.s3.DeleteObjects", refuse)
    with pytest.raises(StorageDenied, match="s3:DeleteObject"):
        store.delete(["a"])


# Large objects.


def test_a_large_object_goes_in_parts(store: S3Storage, tmp_path: Path) -> None:
    """From a file and from memory; an ETag with "-3" proves three parts."""
    data = os.urandom(11 * MIB)
    upload = tmp_path / "upload"
    upload.write_bytes(data)
    store.put("file", upload)
    store.put("memory", data)
    store.put("small", data[: 5 * MIB - 1])
    parts = {entry.key: entry.version.partition("-")[2] for entry in store.list()}
    assert parts == {"file": "3", "memory": "3", "small": ""}
    assert store.get("file") == data
    with store.open("memory") as file:
        assert file.read() == data


def test_a_refused_large_upload_is_translated(s3_env: Any, tmp_path: Path) -> None:
    """Boto3 wraps errors of file uploads in one of its own, whose cause is the service's answer."""
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(6 * MIB))
    with pytest.raises(StorageMissing, match="no bucket 'no-such-bucket'"):
        open_s3(s3_env.endpoint, "no-such-bucket").put("a", upload)


# The network breaks.


def test_a_put_survives_broken_connections(shaky: S3Storage, s3_proxy: Any) -> None:
    """Two resets, three tries."""
    shaky.put("before", b"x")
    s3_proxy.reset_next(2)
    shaky.put("a", b"x" * 100_000)
    assert s3_proxy.num_broken == 2
    assert shaky.get("a") == b"x" * 100_000


def test_a_large_upload_survives_broken_connections(shaky: S3Storage, s3_proxy: Any, tmp_path: Path) -> None:
    """Each part is tried again by itself."""
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(11 * MIB))
    s3_proxy.reset_next(2)
    shaky.put("a", upload)
    assert s3_proxy.num_broken == 2
    assert shaky.get("a") == upload.read_bytes()


def test_many_threads_survive_the_same_break(s3_proxy: Any, bucket: str) -> None:
    """Story: botocore's "standard" retries share 500 tokens, 14 a retry: the 36th of 40 threads gave up at once."""
    store = open_s3(s3_proxy.endpoint, bucket, max_attempts=8)
    s3_proxy.reset_next(40)
    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda number: store.put(f"{number:02}", b"x"), range(40)))
    assert s3_proxy.num_broken == 40
    assert len(list(store.list())) == 40


def test_what_stays_down_is_unavailable(s3_proxy: Any, bucket: str) -> None:
    """After the tries, with the endpoint and what to do; and it works again when it is back."""
    store = open_s3(s3_proxy.endpoint, bucket, max_attempts=2)
    store.put("a", b"x")
    s3_proxy.down()
    for use in (
        lambda: store.put("b", b"x"),
        lambda: store.put("c", bytes(5 * MIB)),
        lambda: store.get("a"),
        lambda: list(store.list()),
    ):
        with pytest.raises(StorageUnavailable, match="run the same job again") as caught:
            use()
        assert s3_proxy.endpoint in str(caught.value)
    s3_proxy.up()
    store.put("b", b"x")
    assert [entry.key for entry in store.list()] == ["a", "b"]


def test_a_killed_server_is_unavailable_and_comes_back_with_its_objects(s3_env: Any, bucket: str) -> None:
    """The real thing: SIGKILL, then a start with the same data."""
    store = open_s3(s3_env.endpoint, bucket, max_attempts=1)
    store.put("a", b"x")
    s3_env.stop()
    try:
        with pytest.raises(StorageUnavailable):
            store.get("a")
    finally:
        s3_env.start()
    assert store.get("a") == b"x"


def test_a_get_goes_on_after_its_answer_broke_off(shaky: S3Storage, s3_proxy: Any) -> None:
    """Botocore does not try again once the body has begun; we do."""
    data = os.urandom(3 * MIB)
    shaky.put("a", data)
    s3_proxy.cut_next_answer(MIB)
    assert shaky.get("a") == data
    assert s3_proxy.num_broken == 1


def test_a_stream_goes_on_after_its_connection_broke(shaky: S3Storage, s3_proxy: Any) -> None:
    """Hours into a corpus: between two ranges, and in the middle of one."""
    data = os.urandom(4 * MIB)
    shaky.put("a", data)
    with shaky.open("a") as file:
        read = file.read(1000)
        s3_proxy.hang_up()
        read += file.read(MIB)
        s3_proxy.cut_next_answer(MIB // 2)
        read += file.read()
    assert read == data
    assert s3_proxy.num_broken == 1


def test_a_get_that_always_breaks_off_is_unavailable(s3_proxy: Any, bucket: str) -> None:
    """With a single try."""
    store = open_s3(s3_proxy.endpoint, bucket, max_attempts=1)
    store.put("a", os.urandom(MIB))
    s3_proxy.cut_next_answer(MIB // 2)
    with pytest.raises(StorageUnavailable):
        store.get("a")


# Ranges of an object that changes.


@pytest.mark.parametrize("size", [4 * MIB, 4 * MIB + 1, 1000])
def test_an_object_overwritten_in_mid_read_is_an_error(store: S3Storage, size: int) -> None:
    """Never the beginning of one corpus with the end of another."""
    store.put("a", os.urandom(4 * MIB))
    with store.open("a") as file:
        file.read(1000)
        store.put("a", os.urandom(size))
        with pytest.raises(CorpusError, match="overwritten while it was being read"):
            file.read()


def test_an_object_deleted_in_mid_read_is_missing(store: S3Storage) -> None:
    """Said with its uri."""
    store.put("a", bytes(2 * MIB))
    with store.open("a") as file:
        store.delete(["a"])
        with pytest.raises(StorageMissing, match=store.location("a")):
            file.read()


def test_an_object_rewritten_with_the_same_bytes_reads_on(store: S3Storage) -> None:
    """The ETag is of the content."""
    data = os.urandom(2 * MIB)
    store.put("a", data)
    with store.open("a") as file:
        head = file.read(10)
        store.put("a", data)
        assert head + file.read() == data


# Odds and ends.


def test_the_options_travel(store: S3Storage) -> None:
    """A copy in another process reaches the same endpoint."""
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.uri, copy.options) == (store.uri, store.options)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on forks beside threads
def test_a_forked_process_makes_its_own_client(store: S3Storage) -> None:
    """Sockets must not be shared."""
    mine = store._client()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"new" if store._client() is not mine else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"new"
    assert store._client() is mine


def test_the_endpoint_may_come_from_the_environment(s3_env: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 users expect."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_env.endpoint)
    store = S3Storage(f"s3://{bucket}/{uuid.uuid4().hex}")
    store.put("a", b"x")
    assert store.get("a") == b"x"


def test_folder_markers_are_no_objects(store: S3Storage, s3_env: Any, bucket: str) -> None:
    """Consoles make empty objects that end in a slash."""
    prefix = store.uri.partition(f"{bucket}/")[2]
    for marker in (f"{prefix}/", f"{prefix}/folder/"):
        s3_env.client().put_object(Bucket=bucket, Key=marker, Body=b"")
    store.put("folder/a", b"x")
    assert [entry.key for entry in store.list()] == ["folder/a"]


def test_a_store_sees_only_its_prefix(s3_env: Any, bucket: str) -> None:
    """Neighbours whose prefix begins the same are not listed."""
    root = uuid.uuid4().hex
    options = S3Options(s3_env.endpoint)
    for name in ("run1", "run10", "run1-b"):
        S3Storage(f"s3://{bucket}/{root}/{name}", options).put("x", b"x")
    assert [entry.key for entry in S3Storage(f"s3://{bucket}/{root}/run1/", options).list()] == ["x"]
    assert [entry.key for entry in S3Storage(f"s3://{bucket}/{root}", options).list()] == [
        "run1-b/x",
        "run1/x",
        "run10/x",
    ]


def test_a_whole_bucket_is_a_store(s3_server: Any, s3_env: Any) -> None:
    """No prefix at all."""
    store = S3Storage(f"s3://{s3_server.new_bucket()}", S3Options(s3_env.endpoint))
    store.check(write=True)
    store.put("a/b", b"x")
    with store.open("a/b") as file:
        assert io.BytesIO(file.read()).getvalue() == b"x"
    assert [entry.key for entry in store.list()] == ["a/b"]
