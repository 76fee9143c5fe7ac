"""Conditional PUTs while the network breaks, and against services that do not keep their conditions."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from speechmill.cluster.storage import S3Options, Tagged
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import SpeechmillError, StorageConflict, StorageDenied, StorageMissing, StorageUnavailable


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


def open_s3(endpoint: str, bucket: str, max_attempts: int = 3) -> S3Storage:
    """A store below a new prefix."""
    return S3Storage(f"s3://{bucket}/{uuid.uuid4().hex}", S3Options(endpoint, max_attempts=max_attempts))


@pytest.fixture
def store(s3_env: Any, bucket: str) -> S3Storage:
    """An empty store, straight to the server."""
    return open_s3(s3_env.endpoint, bucket)


def before_puts(store: S3Storage, change: Any) -> None:
    """Have `change` see every PUT of the store's quick client; what it returns stands for the server's answer."""
    store._clients.quick().meta.events.register("before-call.s3.PutObject", change)


@pytest.mark.parametrize("max_attempts", [1, 3])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_write_whose_answer_got_lost_is_ours(s3_proxy: Any, bucket: str, max_attempts: int, is_there: bool) -> None:
    """Story: boto3 tried again, was refused because of its own first try, and the winner thought that it had lost."""
    store = open_s3(s3_proxy.endpoint, bucket, max_attempts)
    tag = store.put_if("a", b"old", None) if is_there else None
    s3_proxy.hang_up()
    s3_proxy.cut_next_answer(100)  # after "100 Continue", within the answer itself
    new = store.put_if("a", b"mine", tag)
    assert s3_proxy.num_broken == 1
    assert store.get_tagged("a") == Tagged(b"mine", new)


def test_a_store_that_is_away_leaves_it_open(s3_proxy: Any, bucket: str) -> None:
    """No conflict: the next try may go through."""
    store = open_s3(s3_proxy.endpoint, bucket, max_attempts=1)
    tag = store.put_if("a", b"old", None)
    s3_proxy.down()
    for use in (lambda: store.put_if("a", b"new", tag), lambda: store.get_tagged("a"), store.can_put_if):
        with pytest.raises(StorageUnavailable):
            use()
    s3_proxy.up()
    store.put_if("a", b"new", tag)


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_service_that_ignores_a_condition_is_found_out(store: S3Storage, header: str) -> None:
    """Without it, the PUT is a plain one, and succeeds where it must not."""

    def strip(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop(header, None)

    before_puts(store, strip)
    assert not store.can_put_if()
    assert list(store.list()) == []


def test_a_service_that_refuses_every_condition_is_found_out(store: S3Storage) -> None:
    """Old Ceph compares quoted ETags with unquoted ones."""

    def spoil(params: dict[str, Any], **_: Any) -> None:
        if "If-Match" in params["headers"]:
            params["headers"]["If-Match"] = '"nothing has this one"'

    before_puts(store, spoil)
    assert not store.can_put_if()
    assert list(store.list()) == []


def answer(store: S3Storage, code: str, status: int) -> None:
    """Answer every PUT like this."""
    parsed = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    before_puts(store, lambda **_: (SimpleNamespace(status_code=status), json.loads(json.dumps(parsed))))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("PreconditionFailed", 412, StorageConflict),
        ("ConditionalRequestConflict", 409, StorageConflict),
        ("OperationAborted", 409, StorageConflict),
        ("NoSuchKey", 404, StorageConflict),
        ("NoSuchBucket", 404, StorageMissing),
        ("AccessDenied", 403, StorageDenied),
        ("SlowDown", 503, StorageUnavailable),
        ("InternalError", 500, StorageUnavailable),
    ],
)
def test_each_refusal_has_its_meaning(store: S3Storage, code: str, status: int, kind: type[SpeechmillError]) -> None:
    """Answers that our server never gives: only some mean that another writer came first."""
    answer(store, code, status)
    with pytest.raises(kind) as caught:
        store.put_if("a", b"x", '"tag"')
    assert type(caught.value) is kind


def test_a_service_that_says_it_has_no_conditions_is_believed(store: S3Storage) -> None:
    """Status 501; any other refusal is an error."""
    answer(store, "NotImplemented", 501)
    assert not store.can_put_if()


def test_a_probe_that_is_denied_is_no_service_without_conditions(store: S3Storage) -> None:
    """Wrong permissions are said as such."""
    answer(store, "AccessDenied", 403)
    with pytest.raises(StorageDenied, match="no permission"):
        store.can_put_if()


def test_a_missing_bucket_is_said(s3_env: Any) -> None:
    """By each of the three."""
    store = open_s3(s3_env.endpoint, "no-such-bucket")
    for use in (lambda: store.put_if("a", b"x", None), lambda: store.get_tagged("a"), store.can_put_if):
        with pytest.raises(StorageMissing, match="no bucket 'no-such-bucket'"):
            use()
