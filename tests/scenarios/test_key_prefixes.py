"""Audio spread over hashed key prefixes: what is written, read, verified and swept is what it is without them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import speechmill
from speechmill.cluster.containers.base import (
    clip_key,
    part_of_clip,
    part_prefix,
    shard_of,
    shard_prefix,
    window_prefix,
)
from speechmill.cluster.containers.parts import Parts
from speechmill.cluster.storage import open_storage
from speechmill.errors import JobChanged, OutputDamaged, SpecError
from speechmill.jobs.verify import verify

NUM_ROWS = 60
NUMBERS = st.sampled_from([0, 16, 256, 4096])
SHARDS = st.builds("{:06d}-{:04d}".format, st.integers(0, 10**8), st.integers(0, 10**5))


@given(SHARDS, NUMBERS)
def test_a_key_tells_its_shard_in_its_own_layout_and_in_no_other(shard: str, number: int) -> None:
    key = part_prefix(f"{shard}-9f2c1a", number) + ".tar"
    assert key.startswith(shard_prefix(shard, number))
    found = {other: shard_of(key, other) for other in (0, 16, 256, 4096)}
    assert found == {0: None, 16: None, 256: None, 4096: None} | {number: shard}


@given(SHARDS, st.integers(0, 10**9), st.text(), NUMBERS)
def test_the_key_of_a_clip_tells_its_part_in_its_own_layout_and_in_no_other(
    shard: str, row: int, row_id: str, number: int
) -> None:
    part = f"{shard}-r5f3a-7-9f2c1a"
    key = clip_key(part, row, row_id, "flac", number)
    assert part_of_clip(key) == part
    assert key.startswith(window_prefix(shard, number))
    found = {other: shard_of(key, other) for other in (0, 16, 256, 4096)}
    assert found == {0: None, 16: None, 256: None, 4096: None} | {number: shard}


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**9 - 1), max_size=30), st.text(), SHARDS)
def test_clips_of_a_window_sort_as_the_corpus_in_folders_that_are_not_full(
    window: int, rows: list[int], row_id: str, shard: str
) -> None:
    part = f"{window:06d}-{shard.partition('-')[2]}-9f"
    keys = [clip_key(part, row, row_id, "flac") for row in sorted(set(rows))]
    assert keys == sorted(keys)
    folders = Counter(key.rpartition("/")[0] for key in (clip_key(part, row, "", "wav") for row in range(2_500)))
    assert list(folders.values()) == [1000, 1000, 500]


@given(SHARDS, SHARDS, NUMBERS)
def test_no_shard_s_keys_begin_like_another_s(one: str, other: str, number: int) -> None:
    assert (one == other) == shard_prefix(one, number).startswith(shard_prefix(other, number))


def test_shards_spread_evenly() -> None:
    """Each of 256 prefixes gets about its 40 of 10,240 consecutive shards."""
    shards = [f"{window:06d}-{index:04d}" for window in range(1_024) for index in range(10)]
    counts = Counter(shard_prefix(shard, 256).split("/")[1] for shard in shards)
    assert len(counts) == 256
    assert 15 < min(counts.values()) <= max(counts.values()) < 75


@pytest.mark.parametrize("container", ["files", "webdataset", "parquet"])
@pytest.mark.parametrize("number", [0, 256])
def test_a_part_that_came_second_is_swept_and_its_neighbours_stay(tmp_path: Path, container: str, number: int) -> None:
    storage = open_storage(str(tmp_path))
    parts = Parts(storage, container, "wav", number)
    sidecar = {"text": "a", "voice": "", "seed": 1, "speed": 1.0, "sample_rate": 8_000, "num_samples": 1}
    for name in ("000000-0001-aa", "000000-0001-ab", "000000-0002-aa"):
        writer = parts.open_part(name)
        writer.add(1, "id", b"RIFF", {**sidecar, "duration_s": 1 / 8_000, "metadata": {}})
        writer.close()
    parts.sweep("000000-0001-aa")
    left = [shard_of(entry.key, number) for entry in storage.list()]
    assert sorted(filter(None, left)) == ["000000-0001", "000000-0002"]


@pytest.mark.usefixtures("hosted_replicas")
@pytest.mark.parametrize("container", ["files", "webdataset"])
def test_a_run_with_prefixes_is_read_verified_swept_and_continued(tmp_path: Path, container: str) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"id": f"id-{row}", "text": f"Row {row}."}) + "\n" for row in range(NUM_ROWS)))

    def job(key_prefixes: int) -> speechmill.Job:
        return speechmill.Job(
            input={"uri": str(corpus)},
            model={"name": "tone", "options": {"audio_char_s": 0.002}},
            output={"uri": str(tmp_path / "out"), "container": container, "key_prefixes": key_prefixes},
            sharding={"shard_rows": 8},
        )

    assert job(16).run().num_ok == NUM_ROWS
    storage = open_storage(str(tmp_path / "out"))
    assert len({entry.key.split("/")[1] for entry in storage.list("audio/")}) > 1
    assert {len(entry.key.split("/")[1]) for entry in storage.list("audio/")} == {1}

    for orphan in (f"{part_prefix('000000-0000-zz', 16)}.tar", "audio/000000-0000-zz.tar", "audio/f/000000-0000-z.tar"):
        storage.put(orphan, b"left behind")
    report = verify(storage)
    assert (report.is_ok, report.num_clips, report.num_orphans) == (True, NUM_ROWS, 3)
    verify(storage, sweep=True)
    assert verify(storage).num_orphans == 0
    assert len(list(speechmill.read(str(tmp_path / "out")))) == NUM_ROWS

    with pytest.raises(JobChanged, match=r"output\.key_prefixes: 16 there, null now"):
        job(0).run()
    lost = next(iter(storage.list("manifest/"))).key
    storage.delete([lost])
    with pytest.raises(OutputDamaged, match=r"manifests are there.*--repair"):
        job(16).run()
    assert job(16).run(repair=True).num_ok == NUM_ROWS
    assert verify(storage, sweep=True).is_complete
    assert verify(storage).num_orphans == 0


def test_another_number_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(SpecError, match=r"output.key_prefixes is 100: should be 0, 16, 256 or 4096"):
        speechmill.Job(input={"uri": "a.csv"}, output={"uri": "out", "key_prefixes": 100})
