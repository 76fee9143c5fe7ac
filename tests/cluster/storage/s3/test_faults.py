"""Services that throttle, hang, are full, or whose credentials run out: what is tried again, and for how long."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechmill.cluster.storage import S3Options
from speechmill.cluster.storage.s3 import retries
from speechmill.cluster.storage.s3.deadline import MAX_PAUSE_S, Patience
from speechmill.cluster.storage.s3.store import S3Storage
from speechmill.errors import StorageDenied, StorageFull, StorageMissing, StorageUnavailable

ATTEMPTS = st.integers(1, 1_000)
TIMEOUTS_S = st.floats(1, 86_400)
SHARES = st.floats(0, 1)


@given(ATTEMPTS, TIMEOUTS_S, st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=60))
def test_a_request_ends_in_its_time_whatever_its_tries_take(
    max_attempts: int, timeout_s: float, tries: list[tuple[float, float]]
) -> None:
    """Each try takes its share of the longest; the sum of tries and pauses stays below the limit."""
    patience = Patience.of(max_attempts, timeout_s)
    now_s = 0.0
    for num_tries, (share, chance) in enumerate(tries, start=1):
        assert num_tries <= max_attempts
        now_s += share * patience.try_s
        pause_s = patience.pause_s(num_tries, now_s, chance)
        assert now_s <= timeout_s * (1 + 1e-9)
        if pause_s is None:
            break
        assert 0 <= pause_s <= MAX_PAUSE_S
        now_s += pause_s


@example(2, 14.769656459379492, 0.0)
@given(ATTEMPTS, TIMEOUTS_S, SHARES)
def test_no_request_is_given_up_after_one_try_that_hung(max_attempts: int, timeout_s: float, chance: float) -> None:
    """However short the time, and though a try takes a little longer than its time-outs."""
    patience = Patience.of(max_attempts, timeout_s)
    is_given_up = patience.pause_s(1, 1.1 * patience.try_s, chance) is None
    assert is_given_up == (max_attempts == 1)


@given(TIMEOUTS_S, SHARES)
def test_the_default_gives_a_quick_refusal_all_its_tries(timeout_s: float, chance: float) -> None:
    """A service that says no at once is asked as often as it was said, if there is time."""
    patience = Patience.of(8, max(timeout_s, 300.0))
    elapsed_s = 0.0
    for num_tries in range(1, 8):
        pause_s = patience.pause_s(num_tries, elapsed_s, chance)
        assert pause_s is not None
        elapsed_s += pause_s
    assert patience.pause_s(8, elapsed_s, chance) is None


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    return s3_server.new_bucket()


def open_s3(endpoint: str, bucket: str, max_attempts: int = 3, timeout_s: float = 600.0) -> S3Storage:
    options = S3Options(endpoint, max_attempts=max_attempts, timeout_s=timeout_s)
    return S3Storage(f"s3://{bucket}/{uuid.uuid4().hex}", options, multipart_bytes=5 << 20)


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (429, "TooManyRequests")],
)
def test_a_service_that_throttles_is_asked_again(s3_faults: Any, bucket: str, status: int, code: str) -> None:
    store = open_s3(s3_faults.endpoint, bucket)
    s3_faults.answer(status, code, count=2)
    store.put("a", b"x")
    assert (store.get("a"), s3_faults.num_faults) == (b"x", 2)


def test_a_service_that_goes_on_throttling_is_unavailable(s3_faults: Any, bucket: str) -> None:
    store = open_s3(s3_faults.endpoint, bucket)
    s3_faults.answer(503, "SlowDown")
    with pytest.raises(StorageUnavailable, match="SlowDown"):
        store.put("a", b"x")
    assert s3_faults.num_faults == 3


def test_each_part_of_an_upload_has_its_own_tries(s3_faults: Any, bucket: str) -> None:
    """Three parts, each throttled twice: more than one request may be in all."""
    store = open_s3(s3_faults.endpoint, bucket)
    data = bytes(11 << 20)
    for number in (1, 2, 3):
        s3_faults.answer(503, "SlowDown", count=2, when=lambda asked, n=number: f"partNumber={n}" in asked.path)
    store.put("a", data)
    assert (s3_faults.num_faults, store.get("a") == data) == (6, True)


def test_a_request_that_hangs_is_tried_again(s3_faults: Any, bucket: str) -> None:
    """After a second: a busy machine may take that long for one that goes well, and has more such tries."""
    store = open_s3(s3_faults.endpoint, bucket, max_attempts=20)
    store._clients.patience = replace(store._clients.patience, read_s=1.0)
    s3_faults.hang(count=1)
    store.put("a", b"x")
    assert (store.get("a"), s3_faults.num_faults) == (b"x", 1)


@pytest.mark.parametrize("verb", ["put", "get", "list", "delete"])
def test_a_service_that_hangs_for_good_is_given_up_in_time(
    s3_faults: Any, bucket: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after a hundred tries: there is time for two that hang; each takes as long as it is said to take."""
    store = open_s3(s3_faults.endpoint, bucket, max_attempts=100, timeout_s=1.5)
    try_s = store._clients.patience.try_s
    monkeypatch.setattr(retries, "time", SimpleNamespace(monotonic=lambda: s3_faults.num_faults * try_s))
    s3_faults.hang()
    uses = {
        "put": lambda: store.put("a", b"x"),
        "get": lambda: store.get("a"),
        "list": lambda: list(store.list()),
        "delete": lambda: store.delete(["a"]),
    }
    with pytest.raises(StorageUnavailable, match="run the same job again"):
        uses[verb]()
    assert 2 <= s3_faults.num_faults <= 3


@pytest.mark.parametrize(("status", "code"), [(507, "XMinioStorageFull"), (403, "QuotaExceeded")])
def test_a_service_that_is_full_is_not_asked_again(s3_faults: Any, bucket: str, status: int, code: str) -> None:
    store = open_s3(s3_faults.endpoint, bucket)
    s3_faults.answer(status, code)
    with pytest.raises(StorageFull, match="free some"):
        store.put("a", b"x")
    assert s3_faults.num_faults == 1


def test_a_missing_object_is_not_asked_for_again(s3_faults: Any, bucket: str) -> None:
    store = open_s3(s3_faults.endpoint, bucket)
    with pytest.raises(StorageMissing):
        store.get("a")
    assert s3_faults.num_asked == 1


# Credentials in a file that somebody writes anew.


class KeyFile:
    """A shared credentials file, the only credentials there are."""

    def __init__(self, path: Path, s3_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path, self._s3_env = path, s3_env
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    def write(self, key_id: str | None = None, secret: str | None = None) -> None:
        key_id, secret = key_id or self._s3_env.access_key, secret or self._s3_env.secret_key
        self._path.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")

    def spoil(self) -> None:
        self._path.write_text("[default\naws_acc")


@pytest.fixture
def keys(tmp_path: Path, s3_env: Any, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    return KeyFile(tmp_path / "credentials", s3_env, monkeypatch)


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_are_fetched_anew(s3_faults: Any, bucket: str, keys: KeyFile, code: str) -> None:
    """Story: botocore read the file once, and a run of days ended when the sidecar had renewed it."""
    keys.write("AKOLD", "old")
    store = open_s3(s3_faults.endpoint, bucket)

    def is_old(asked: Any) -> bool:
        if "AKOLD" not in asked.headers.get("Authorization", ""):
            return False
        keys.write()
        return True

    s3_faults.answer(400, code, when=is_old)
    store.put("a", b"x")
    assert (store.get("a"), s3_faults.num_faults) == (b"x", 1)


def test_newer_credentials_are_waited_for(s3_faults: Any, bucket: str, keys: KeyFile) -> None:
    """The sidecar comes late, and is seen in the middle of its writing."""
    keys.write("AKOLD", "old")
    store = open_s3(s3_faults.endpoint, bucket, max_attempts=4)
    steps = iter([lambda: None, keys.spoil, keys.write])

    def is_old(asked: Any) -> bool:
        if "AKOLD" not in asked.headers.get("Authorization", ""):
            return False
        next(steps)()
        return True

    s3_faults.answer(400, "ExpiredToken", when=is_old)
    store.put("a", b"x")
    assert s3_faults.num_faults == 3


def test_expired_credentials_that_nobody_renews_are_said(s3_faults: Any, bucket: str) -> None:
    store = open_s3(s3_faults.endpoint, bucket)
    s3_faults.answer(400, "ExpiredToken")
    with pytest.raises(StorageDenied, match="have expired; renew them"):
        store.put("a", b"x")
    assert s3_faults.num_faults == 3


def test_wrong_credentials_are_said_at_once_and_newer_ones_taken(s3_faults: Any, bucket: str, keys: KeyFile) -> None:
    """The server itself refuses. Without another secret in the file it is asked once; with one it is asked again."""
    keys.write(secret="wrong")
    store = open_s3(s3_faults.endpoint, bucket)
    with pytest.raises(StorageDenied, match="secret key"):
        store.put("a", b"x")
    assert s3_faults.num_asked == 1
    keys.write()
    store.put("a", b"x")
    assert s3_faults.num_asked == 3


def test_a_part_of_an_upload_may_be_the_first_to_hear_of_it(s3_faults: Any, bucket: str, keys: KeyFile) -> None:
    """Several threads are refused at the same time; one fetches, all go on."""
    keys.write("AKOLD", "old")
    store = open_s3(s3_faults.endpoint, bucket)

    def is_old(asked: Any) -> bool:
        keys.write()
        return "AKOLD" in asked.headers.get("Authorization", "")

    s3_faults.answer(400, "ExpiredToken", when=is_old)
    data = bytes(11 << 20)
    store.put("a", data)
    assert store.get("a") == data
