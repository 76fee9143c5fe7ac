"""Real runs on a real S3 server whose bucket goes, whose quota is used up, whose credentials expire in mid-run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from support.measured import measured
from support.waiting import eventually

from speechmill.cluster.storage import S3Options, open_storage
from speechmill.errors import OutputGone, StorageFull, StorageMissing
from speechmill.jobs.run import committer
from speechmill.jobs.run.driver import run
from speechmill.jobs.run.progress import Snapshot
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.verify import verify

NUM_ROWS = 80


class KeyFile:
    """The credentials file of this process and of the replicas."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, key_id: str, secret: str) -> None:
        self.path.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")


@pytest.fixture(scope="module")
def keys(s3_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyFile]:
    """A credentials file of this process and its replicas that the tests may write anew."""
    file = KeyFile(tmp_path_factory.mktemp("aws") / "credentials")
    file.write(s3_server.access_key, s3_server.secret_key)
    unset = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = dict.fromkeys(unset, "") | {
        "AWS_SHARED_CREDENTIALS_FILE": str(file.path),
        "AWS_CONFIG_FILE": str(file.path.with_name("no-aws-config")),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value) if value else patch.delenv(name, raising=False)
        yield file


@pytest.fixture
def own_keys(
    keys: KeyFile, s3_faults: Any, s3_server: Any, hosted_replicas: None, monkeypatch: pytest.MonkeyPatch
) -> KeyFile:
    """The file, in place of the keys in the environment that the proxy's fixture sets; replicas are threads."""
    keys.write(s3_server.access_key, s3_server.secret_key)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys.path))
    return keys


@pytest.fixture
def spec(tmp_path: Path, s3_faults: Any, s3_server: Any, own_keys: KeyFile) -> JobSpec:
    corpus = tmp_path / "corpus.jsonl"
    rows = [{"id": f"id-{row}", "text": f"Row {row} " + "la " * (row * 7 % 40)} for row in range(NUM_ROWS)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return JobSpec.parse(
        {
            "input": {"uri": str(corpus)},
            "model": {"name": "tone", "options": measured(audio_char_s=0.002, cell_s=0.0003)},
            "output": {
                "uri": f"s3://{s3_server.new_bucket()}/out",
                "container": "webdataset",
                "s3": {"endpoint_url": s3_faults.endpoint, "max_attempts": 4},
            },
            "cluster": {"replicas": 1},
            "sharding": {"shard_rows": 8},
        }
    )


def storage_of(spec: JobSpec, s3_server: Any) -> Any:
    return open_storage(spec.output.uri, S3Options(s3_server.endpoint))


def once(condition: Callable[[Snapshot], bool], act: Callable[[], None]) -> Callable[[Snapshot], None]:
    """An observer that acts at the first snapshot of a kind."""
    todo = [act]

    def observe(snapshot: Snapshot) -> None:
        if todo and condition(snapshot):
            todo.pop()()

    return observe


def has_committed(snapshot: Snapshot) -> bool:
    return snapshot.rows_committed > 0


def delete_bucket(s3_server: Any, bucket: str) -> None:
    """While replicas go on writing to it."""
    client = s3_server.client()
    for _ in range(50):
        for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=found["Key"])
        with contextlib.suppress(ClientError):  # not empty again
            client.delete_bucket(Bucket=bucket)
            return
    pytest.fail("the bucket could not be deleted")


def writers_are_gone(s3_faults: Any) -> bool:
    """Whether nothing of an ended run can reach the store any more: no process of a replica, no request."""
    with contextlib.suppress(psutil.NoSuchProcess):  # one that ended meanwhile; asked again
        names = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
        return not any("speechmill replica" in name for name in names) and not s3_faults.num_under_way
    return False


@pytest.mark.replica_processes  # they can be waited for
def test_a_bucket_deleted_in_mid_run_stops_it_and_the_next_run_begins_when_it_is_there(
    spec: JobSpec, s3_server: Any, s3_faults: Any
) -> None:
    """A fault of the job at the start, where nothing can be done about it by trying again; in mid-run none."""
    bucket = spec.output.uri.split("/")[2]
    with pytest.raises(OutputGone, match=f"no bucket '{bucket}'.*run the same command"):
        run(spec, observe=once(has_committed, lambda: delete_bucket(s3_server, bucket)))
    with pytest.raises(StorageMissing, match=bucket):
        run(spec)
    eventually(lambda: writers_are_gone(s3_faults), "the end of the first run's replicas")
    s3_server.client().create_bucket(Bucket=bucket)
    assert run(spec).num_ok == NUM_ROWS
    assert verify(storage_of(spec, s3_server)).is_complete


@pytest.mark.parametrize(
    ("status", "code", "writer"), [(507, "XMinioStorageFull", "manifest/"), (403, "QuotaExceeded", "audio/")]
)
def test_a_store_that_is_full_stops_the_run_and_the_next_goes_on(
    spec: JobSpec, s3_faults: Any, s3_server: Any, status: int, code: str, writer: str
) -> None:
    def fill() -> None:
        s3_faults.answer(status, code, when=lambda asked: asked.method == "PUT" and writer in asked.path)

    with pytest.raises(StorageFull, match="free some, then run the job again"):
        run(spec, observe=once(has_committed, fill))
    num_kept = len(list(storage_of(spec, s3_server).list("manifest/")))
    s3_faults.well()
    seen: list[int] = []
    assert run(spec, observe=lambda snapshot: seen.append(snapshot.rows_committed)).num_ok == NUM_ROWS
    assert num_kept > 0
    assert seen[0] > 0
    assert verify(storage_of(spec, s3_server)).is_complete


def test_credentials_that_expire_in_mid_run_are_fetched_anew(
    spec: JobSpec, s3_faults: Any, s3_server: Any, own_keys: KeyFile
) -> None:
    """By the driver, its lease and the replicas, each from the file that somebody has written meanwhile."""

    def expire() -> None:
        old = s3_server.access_key
        s3_faults.answer(400, "ExpiredToken", when=lambda asked: old in asked.headers.get("Authorization", ""))
        own_keys.write(*s3_server.second_keys)

    assert run(spec, observe=once(has_committed, expire)).num_ok == NUM_ROWS
    assert s3_faults.num_faults > 1
    assert verify(storage_of(spec, s3_server)).is_complete


def test_the_display_goes_on_while_the_store_takes_no_manifest(
    spec: JobSpec, s3_faults: Any, s3_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Story: manifests were written in the driver's loop, and nothing moved until the store answered."""
    monkeypatch.setattr(committer, "SLOW_S", 1.0)
    s3_faults.hang(when=lambda asked: asked.method == "PUT" and "/manifest/" in asked.path)
    seen: list[Snapshot] = []

    def observe(snapshot: Snapshot) -> None:
        seen.append(snapshot)
        if "waiting for the store" in snapshot.notice and snapshot.rows_done > 8:
            s3_faults.well()

    assert run(spec, observe=observe).num_ok == NUM_ROWS
    waiting = [snapshot for snapshot in seen if "waiting for the store" in snapshot.notice]
    assert waiting
    assert waiting[0].rows_committed == 0
    assert waiting[0].rows_done >= 8
    dones = [snapshot.rows_done for snapshot in seen]
    assert seen[-1].rows_committed == NUM_ROWS == dones[-1]
    assert verify(storage_of(spec, s3_server)).is_complete
