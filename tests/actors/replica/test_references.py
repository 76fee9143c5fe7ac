"""Recordings that rows name, as replicas read them: each is fetched once on a machine, and few are held."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.recordings import WORDS, encoded, recording

from speechmill.actors.records.reference import NamedClip
from speechmill.actors.records.utterance import Utterance
from speechmill.actors.replica import references
from speechmill.actors.replica.references import References
from speechmill.errors import RowRejected, StorageUnavailable

SECONDS = (0.1, 2.0)


class Bucket:
    """Clips in a store, and how often each was asked for."""

    def __init__(self, num_clips: int) -> None:
        self.clips = {f"s3://bucket/{n}.wav": encoded(recording(n)) for n in range(num_clips)}
        self.asked: Counter[str] = Counter()
        self.is_away = False
        self._counting = threading.Lock()

    def location(self, named: NamedClip) -> str:
        return f"s3://bucket/{named.clip}"

    def read(self, location: str, max_bytes: int) -> bytes:
        with self._counting:
            self.asked[location] += 1
        if self.is_away:
            raise StorageUnavailable("the store does not answer")
        if location not in self.clips:
            raise RowRejected(f"{location}: there is no such object")
        return self.clips[location]


def rows(num_rows: int, num_clips: int) -> list[Utterance]:
    return [
        Utterance(row, f"r{row}", "x", 1, reference=NamedClip(f"{row % num_clips}.wav", WORDS))
        for row in range(num_rows)
    ]


def test_replicas_of_a_machine_fetch_each_clip_once_for_a_run(tmp_path: Path) -> None:
    bucket = Bucket(20)
    replicas = [References(bucket, SECONDS, "run", tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda replica: replica.read(rows(60, 20)), replicas)) == [{}] * 3
    assert set(bucket.asked.values()) == {1}
    assert len(bucket.asked) == 20
    other_run = References(bucket, SECONDS, "other run", tmp_path)
    bucket.clips["s3://bucket/3.wav"] = encoded(recording(77))
    named = NamedClip("3.wav", WORDS)
    assert other_run.of(named) != replicas[0].of(named), "a clip that was replaced is heard by the next run"


def test_few_clips_are_held_and_others_read_again_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MEMORY_BYTES", 50_000)
    bucket = Bucket(20)
    replica = References(bucket, SECONDS, "run", tmp_path)
    assert replica.read(rows(40, 20)) == {}
    assert replica._held_bytes <= 50_000
    first = replica.of(NamedClip("0.wav", WORDS))
    assert first.duration_s == pytest.approx(0.5)
    assert set(bucket.asked.values()) == {1}


def test_what_is_wrong_with_a_clip_is_told_of_each_of_its_rows(tmp_path: Path) -> None:
    bucket = Bucket(2)
    bucket.clips["s3://bucket/1.wav"] = b"no audio"
    replica = References(bucket, SECONDS, "run", tmp_path)
    faults = replica.read(rows(6, 3))
    assert sorted(faults) == [1, 2, 4, 5]
    assert "reference 's3://bucket/1.wav': the clip cannot be read as audio" in str(faults[1])
    assert "reference 's3://bucket/2.wav': s3://bucket/2.wav: there is no such object" in str(faults[5])
    assert bucket.asked["s3://bucket/2.wav"] == 1, "a clip that is missing is not asked for again"


def test_a_store_that_is_away_fails_no_row(tmp_path: Path) -> None:
    bucket = Bucket(2)
    bucket.is_away = True
    replica = References(bucket, SECONDS, "run", tmp_path)
    with pytest.raises(StorageUnavailable):
        replica.read(rows(2, 2))
    bucket.is_away = False
    assert replica.read(rows(2, 2)) == {}
