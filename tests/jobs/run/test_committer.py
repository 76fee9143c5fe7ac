"""Manifests on their way into a real store that is slow, full or silent."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from support.outputs import FreeLease, begin, job_file
from support.waiting import HANG_S

from speechmill.actors.records.manifest import content_digest
from speechmill.actors.records.part_name import PartName
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.storage import S3Options, Storage, open_storage
from speechmill.errors import LeaseLost, StorageFull
from speechmill.jobs.run.committer import MAX_WAITING, MAX_WAITING_BYTES, NUM_THREADS, SLOW_S, Committer
from speechmill.jobs.run.pending_part import PendingPart


@pytest.fixture(scope="session")
def bucket(s3_server: Any) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def store(s3_faults: Any, bucket: str) -> Storage:
    return open_storage(f"s3://{bucket}/{uuid.uuid4().hex}", S3Options(s3_faults.endpoint, max_attempts=3))


def commit(index: int, data: bytes = b"{}\n", texts: bytes | None = None) -> PendingPart:
    name = PartName(window=0, index=index, num_ok=2, num_failed=1, audio_ms=3_000, digest="aa")
    return PendingPart(name, data, texts, cost_s=1.5)


def writing(storage: Storage, lease: Any = None, **how: Any) -> Committer:
    """A committer over a new output."""
    return Committer(storage, lease or FreeLease(), begin(storage, job_file()), **how)


def stored_of(storage: Storage, prefix: str, commit: PendingPart) -> list[bytes]:
    """What lies below a prefix of a commit's shard."""
    name = commit.name
    place = f"manifest/{name.window:06d}/{name.index:04d}." if prefix == "manifest/" else f"{prefix}{name.shard_id}-"
    return [storage.get(entry.key) for entry in storage.list(place)]


def manifests(store: Storage) -> set[str]:
    return {entry.key for entry in store.list("manifest/")}


def all_stored(committer: Committer) -> list[PendingPart]:
    stored: list[PendingPart] = []
    while not committer.is_idle:
        stored += committer.stored(1.0)
    return stored


@pytest.mark.parametrize("num_parts", [0, 1, 3 * NUM_THREADS])
def test_each_part_is_told_once_when_all_its_objects_are_there(tmp_path: Path, num_parts: int) -> None:
    storage = open_storage(str(tmp_path))
    commits = [commit(index, b"%d" % index, b"text of %d" % index) for index in range(num_parts)]
    with Lease.take(storage) as lease, writing(storage, lease) as committer:
        for each in commits:
            committer.add(each)
        told: list[PendingPart] = []
        while not committer.is_idle:
            for each in committer.stored(1.0):
                told.append(each)
                assert stored_of(storage, "manifest/", each) == [each.manifest]
                assert stored_of(storage, "text/", each) == [each.texts]
        assert committer.stored() == []
    assert sorted(told, key=lambda each: each.name.key) == commits
    names = [PartName.parse(key) for key in manifests(storage)]
    assert len({name.stamp for name in names}) == len(names) == num_parts, "each has a number of its own"
    assert {name.content for name in names} == {content_digest(each.manifest) for each in commits}


def test_what_the_store_has_not_taken_is_pending_and_said(s3_faults: Any, store: Storage) -> None:
    """The driver goes on meanwhile: nothing here waits."""
    now_s = 100.0
    with writing(store, clock=lambda: now_s) as committer:
        s3_faults.hang()
        assert (committer.is_idle, committer.notice) == (True, "")
        for index in range(3):
            committer.add(commit(index))
        totals, cost_s = committer.pending
        assert (committer.stored(), committer.is_idle, committer.has_room) == ([], False, True)
        assert (totals.num_ok, totals.num_failed, totals.audio_s, cost_s) == (6, 3, 9.0, 4.5)
        assert committer.notice == ""
        now_s += SLOW_S + 32
        for said in ("for 42 s", commit(0).name.shard_id, "3 manifests with 9 rows", "output.s3.timeout_s"):
            assert said in committer.notice
        s3_faults.well()
        assert len(all_stored(committer)) == 3
        assert (committer.notice, committer.pending[0].num_rows) == ("", 0)
    assert len(manifests(store)) == 3


def test_there_is_no_room_beyond_a_number_of_parts_or_bytes(s3_faults: Any, store: Storage) -> None:
    committer = writing(store)
    s3_faults.hang()
    for index in range(MAX_WAITING):
        assert committer.has_room
        committer.add(commit(index))
    assert not committer.has_room
    committer.close(timeout_s=0.0)
    s3_faults.well()
    committer = writing(store)
    s3_faults.hang()
    committer.add(commit(0, bytes(MAX_WAITING_BYTES)))
    assert not committer.has_room
    committer.close(timeout_s=0.0)


def test_the_first_error_is_raised_and_ends_the_writing(s3_faults: Any, store: Storage) -> None:
    """A part that was being written at the time may be stored; none that waited is."""
    s3_faults.answer(403, "QuotaExceeded", when=lambda asked: "/0000." in asked.path)
    with writing(store) as committer:
        committer.add(commit(0))
        with pytest.raises(StorageFull, match="free some"):
            all_stored(committer)
        for index in range(1, 3 * NUM_THREADS):
            committer.add(commit(index))
        with pytest.raises(StorageFull):
            committer.stored()
    assert manifests(store) == set()


def test_nothing_is_written_without_the_lease(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    lease = Lease.take(storage)
    with writing(storage, lease) as committer:
        lease.release()
        committer.add(commit(0, texts=b"refined"))
        with pytest.raises(LeaseLost):
            all_stored(committer)
    assert [entry.key for entry in storage.list()] == ["driver.json", "job.json"]


def test_cleanups_are_done_and_what_they_raise_stops_nothing(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    seen: list[int] = []

    def cleanup() -> None:
        seen.append(len(manifests(storage)))
        raise StorageFull("no matter")

    with writing(storage) as committer:
        for _ in range(3):
            committer.add_cleanup(cleanup)
        assert not committer.is_idle
        for index in range(3):
            committer.add(commit(index))
        assert len(all_stored(committer)) == 3
    assert len(seen) == 3


def test_an_interrupted_run_stores_what_it_has(tmp_path: Path) -> None:
    """As far as the store takes it at once."""
    storage = open_storage(str(tmp_path))
    with pytest.raises(KeyboardInterrupt), writing(storage) as committer:
        for index in range(3 * NUM_THREADS):
            committer.add(commit(index))
        raise KeyboardInterrupt
    assert len(manifests(storage)) == 3 * NUM_THREADS


def test_a_store_that_hangs_does_not_keep_an_interrupted_run(
    s3_faults: Any, store: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """What waited behind is not written later either."""
    committer = writing(store)
    s3_faults.hang(when=lambda asked: asked.method == "PUT")
    for index in range(3 * NUM_THREADS):
        committer.add(commit(index))
    committer.close(timeout_s=0.2)
    assert f"{3 * NUM_THREADS} manifests were not stored" in caplog.text
    s3_faults.well()
    for thread in committer._threads:
        thread.join(HANG_S)
    assert len(manifests(store)) <= NUM_THREADS
