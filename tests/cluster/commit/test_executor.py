"""The machines over real stores: a folder and S3. What a replaced driver still sends counts for nothing."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speechmill.actors.records.keys import AUDIO_PREFIX, MANIFEST_PREFIX, ROOT_KEY, TEXT_PREFIX
from speechmill.cluster.commit import claims, executor
from speechmill.cluster.commit.claimed_run import ClaimedRun, Commit
from speechmill.cluster.commit.claims import Resume
from speechmill.cluster.commit.executor import Executor, decode, encode
from speechmill.cluster.commit.operations import Found, Page, PutIf, RootFile, StoreAnswer
from speechmill.cluster.commit.read import Read
from speechmill.cluster.commit.root import Root
from speechmill.cluster.commit.state import State
from speechmill.cluster.commit.sweep import Sweep
from speechmill.cluster.commit.write_root import WriteRoot
from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.errors import JobError, StorageMissing

PREFIXES = (MANIFEST_PREFIX, AUDIO_PREFIX, TEXT_PREFIX)
BODY = {"spec": {"name": "demo"}}


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    """One bucket for all; each test has its own prefix."""
    return s3_server.new_bucket()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.integration)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty output of each kind."""
    if request.param == "local":
        return open_storage(str(tmp_path / "out"))
    server = request.getfixturevalue("s3_env")
    uri = f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"
    return open_storage(uri, S3Options(server.endpoint, max_attempts=3))


class Driver:
    """One that speaks shards: their audio names them, their manifests name their audio."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.executor = Executor(storage, names=self._names, read=self._read)
        self.adopted: list[str] = []
        self.run: ClaimedRun | None = None

    def _names(self, key: str) -> list[str]:
        return [json.loads(self.storage.get(key))["audio"]]

    def _read(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self.storage.get(key)

    def claim(self, *, overwrite: bool = False, damaged: tuple[str, ...] = ()) -> WriteRoot:
        how: dict[str, Any] = {"nonce": secrets.token_hex(8), "is_conditional": self.storage.can_put_if()}
        base = self.executor.read_root()
        if base is None or overwrite:
            machine = claims.begin(base, BODY, tag=secrets.token_hex(2), **how)
        elif damaged:
            machine = claims.repair(base, BODY, damaged, **how)
        else:
            machine = claims.resume(base, BODY, **how)
        claim = self.executor.run(machine, self._adopt)
        assert isinstance(claim, WriteRoot)
        if claim.state is State.DONE:
            self.run = ClaimedRun.of(claim)
        return claim

    def _adopt(self, machine: WriteRoot | Resume, answer: StoreAnswer) -> None:
        if isinstance(machine, Resume) and isinstance(answer, Page):
            self.adopted += [key for key in answer.keys if machine.adopts(key)]

    def speak(self, shard: int) -> str:
        assert self.run is not None
        audio = f"{AUDIO_PREFIX}000000-{shard:04d}-{self.run.stamp}-{secrets.token_hex(4)}.tar"
        self.storage.put(audio, b"audio")
        self.run, stamp = self.run.begin_commit()
        key = f"{MANIFEST_PREFIX}000000/{shard:04d}.{stamp}.ok1.failed0.ms1000.aa.jsonl"
        self.executor.run(Commit((audio,), ((key, json.dumps({"audio": audio}).encode()),)))
        self.run = self.run.commit_landed(key)
        return key

    def complete(self) -> WriteRoot:
        assert self.run is not None
        return self.executor.run(self.run.complete(BODY | {"num_rows": 3}, nonce=secrets.token_hex(8)))

    def sweep(self) -> State:
        base = self.executor.read_root()
        assert base is not None
        return self.executor.run(Sweep.of(base.file.root, PREFIXES)).state

    def read(self) -> State:
        base = self.executor.read_root()
        assert base is not None
        return self.executor.run(Read(base)).state


def keys(storage: Storage, prefix: str = "") -> list[str]:
    """What is there."""
    return [entry.key for entry in storage.list(prefix)]


def test_a_run_is_taken_over_and_the_old_one_finds_out(storage: Storage) -> None:
    """The whole story: begin, take over, late commits, complete, sweep, repair, overwrite."""
    first, second = Driver(storage), Driver(storage)
    assert first.claim().state is State.DONE
    kept = first.speak(0)
    assert second.claim().state is State.DONE
    assert second.adopted == [kept]
    late = first.speak(1)
    second.speak(1)
    assert second.complete().state is State.DONE
    lost = first.complete()
    assert lost.state is State.LOST
    assert lost.found is not None
    assert lost.found.file.root.run == 2
    assert second.read() is State.DONE
    assert second.sweep() is State.DONE
    assert late not in keys(storage)
    assert (len(keys(storage, MANIFEST_PREFIX)), len(keys(storage, AUDIO_PREFIX))) == (2, 2)

    third = Driver(storage)
    assert third.claim(damaged=(kept,)).state is State.DONE
    assert len(third.adopted) == 1
    third.speak(0)
    assert third.complete().state is State.DONE
    assert third.sweep() is third.read() is State.DONE
    assert kept not in keys(storage)

    assert Driver(storage).claim(overwrite=True).state is State.DONE
    assert third.sweep() is State.DONE
    assert keys(storage) == [ROOT_KEY]


def test_a_listing_goes_on_page_after_page(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a page has nothing that counts, or one object without a byte."""
    monkeypatch.setattr(executor, "PAGE_KEYS", 2)
    first, second = Driver(storage), Driver(storage)
    first.claim()
    spoken = [first.speak(shard) for shard in range(7)]
    for number in range(5):
        storage.put(f"{MANIFEST_PREFIX}notes{number}", b"of the user")
    empty = f"{MANIFEST_PREFIX}000000/0000.{first.run.stamp}.n9.ok1.failed0.ms1.aa.jsonl" if first.run else ""
    storage.put(empty, b"")
    second.claim()
    assert second.adopted == spoken
    assert second.complete().state is State.DONE
    assert second.sweep() is second.read() is State.DONE
    left = keys(storage, MANIFEST_PREFIX)
    assert left == [*spoken, *(f"{MANIFEST_PREFIX}notes{number}" for number in range(5))]


def test_what_is_missing_is_damage_and_keeps_the_sweep_from_deleting(storage: Storage) -> None:
    """Where the root is still the same."""
    first = Driver(storage)
    first.claim()
    key = first.speak(0)
    first.complete()
    storage.delete(keys(storage, AUDIO_PREFIX))
    orphan = f"{AUDIO_PREFIX}000000-0000-{first.run.stamp if first.run else ''}-aa.tar"
    storage.put(orphan, b"maybe the last copy")
    assert first.read() is State.DAMAGED
    storage.delete([key])
    assert first.read() is State.DAMAGED
    assert first.sweep() is State.STOPPED
    assert keys(storage, AUDIO_PREFIX) == [orphan]


def test_a_store_without_conditions_is_written_and_read_back(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that another one wrote over in between is found."""
    monkeypatch.setattr(type(storage), "can_put_if", lambda _: False)
    first, second = Driver(storage), Driver(storage)
    assert first.claim().state is State.DONE
    first.speak(0)
    assert second.claim().state is State.DONE
    assert first.complete().state is State.LOST
    put = type(storage).put

    def overwritten(self: Storage, key: str, data: bytes) -> None:
        put(self, key, data)
        put(self, key, data.replace(b'"nonce": "', b'"nonce": "0'))

    monkeypatch.setattr(type(storage), "put", overwritten)
    assert second.complete().state is State.LOST


@pytest.fixture
def written_twice(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has each conditional write sent twice, of which the second is answered: the first one's answer got lost."""

    def patch() -> None:
        perform = Executor.perform

        def twice(self: Executor, request: Any) -> StoreAnswer:
            if isinstance(request, PutIf):
                perform(self, request)
            return perform(self, request)

        monkeypatch.setattr(Executor, "perform", twice)

    return patch


def test_a_claim_whose_answer_got_lost_is_recognised(storage: Storage, written_twice: Callable[[], None]) -> None:
    """By its nonce; what follows builds on it."""
    written_twice()
    first = Driver(storage)
    assert first.claim().state is State.DONE
    first.speak(0)
    assert first.complete().state is State.DONE
    assert first.read() is State.DONE


def test_an_output_of_format_2_is_read_and_begun_over(storage: Storage) -> None:
    """Its names count under its own root; it is not gone on with, as late manifests look like others there."""
    old = ["manifest/000000/0000.ok1.failed0.ms1.aa.jsonl", "audio/000000-0000-aa.tar", "text/000000-0000.jsonl"]
    storage.put(ROOT_KEY, json.dumps(BODY).encode())
    storage.put(old[0], json.dumps({"audio": old[1]}).encode())
    storage.put(old[1], b"audio")
    storage.put(old[2], b"text")
    driver = Driver(storage)
    assert driver.read() is State.DONE
    with pytest.raises(JobError, match="older version"):
        driver.claim()
    storage.put("complete.json", b"{}")
    base = driver.executor.read_root()
    assert base is not None
    assert base.file == RootFile(Root.unstamped(is_complete=True), BODY)
    with pytest.raises(JobError, match="older version"):
        driver.claim(damaged=(old[0],))
    assert driver.sweep() is State.DONE
    assert set(old) < set(keys(storage))
    assert driver.claim(overwrite=True).state is State.DONE
    assert driver.sweep() is State.DONE
    assert keys(storage) == ["complete.json", ROOT_KEY]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"commit": 7}', b'{"commit": {"run": 1}}', b"[" * 100_000])
def test_what_is_no_root_is_refused(data: bytes) -> None:
    """And the place is named."""
    with pytest.raises(JobError, match=r"out/job\.json is not a speechmill job"):
        decode(data, "out/job.json", is_complete_of_format_2=lambda: False)


def test_the_root_lies_beside_the_job() -> None:
    """In one object."""
    file = RootFile(Root(1, "5f3a", "0123456789abcdef"), BODY)
    written = json.loads(encode(file))
    assert written == BODY | {"commit": file.root.to_json(), "check": written["check"]}
    assert decode(encode(file), "", is_complete_of_format_2=lambda: False) == file


def test_an_absent_root_is_none(storage: Storage) -> None:
    """And what a reader misses is an answer, not an error."""
    driver = Driver(storage)
    assert driver.executor.read_root() is None
    with pytest.raises(StorageMissing):
        storage.get(ROOT_KEY)
    driver.claim()
    found = driver.executor.read_root()
    assert isinstance(found, Found)
