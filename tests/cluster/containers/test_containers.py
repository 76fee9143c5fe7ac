"""Containers: every clip comes back from where it was put, no id escapes, nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmill.cluster.containers import CONTAINERS, Place, container_of, parquet
from speechmill.cluster.containers.base import part_prefix, shard_of, stem
from speechmill.cluster.storage import open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import JobError, SpecError, StorageFull, StorageMissing, StorageUnavailable
from speechmill.jobs.spec.job import OutputSpec

PART = "000012-0003-9f2c1a"
HOSTILE = [
    "../../x",
    "/etc/passwd",
    "a\0b",
    "😀" * 1024,
    "con",
    "..",
    ".",
    "",
    "a.b.c",
    "x" * 4096,
    "a\\b",
    "\ud800",
    "a\nb",
]
every_container = pytest.mark.parametrize("name", list(CONTAINERS))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def sidecar(row_id: str, **changes: object) -> Mapping[str, object]:
    return {
        "id": row_id,
        "text": "Hello",
        "voice": "a",
        "seed": 2**63 - 1,
        "speed": 1.0,
        "sample_rate": 24000,
        "num_samples": 240,
        "duration_s": 0.01,
        "metadata": {"speaker": "é", "score": float("nan")},
    } | changes


def write(name: str, storage: LocalStorage | Any, ids: list[str], part: str = PART) -> dict[Place, bytes]:
    writer = container_of(name).open_part(storage, part, "flac")
    clips: dict[Place, bytes] = {}
    for row, row_id in enumerate(ids):
        data = f"clip {row}".encode() * (row + 1)
        clips[writer.add(row, row_id, data, sidecar(row_id))] = data
    writer.close()
    assert len(clips) == len(ids)
    return clips


@every_container
def test_hostile_ids_come_back_and_stay_inside(name: str, tmp_path: Path, temporary: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    clips = write(name, storage, HOSTILE)
    assert dict(container_of(name).read(storage, list(clips))) == clips
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {f"out/{key}" for key, _ in clips}
    assert all(
        re.fullmatch(r"[A-Za-z0-9_./-]{1,120}", key) and shard_of(key) == "000012-0003" for key in found_keys(clips)
    )
    assert not list(temporary.iterdir())


def found_keys(clips: Mapping[Place, bytes]) -> set[str]:
    return {key for key, _ in clips}


@settings(deadline=None)
@given(st.integers(0, 2**40), st.text())
def test_a_stem_is_harmless_and_starts_with_its_row(row: int, row_id: str) -> None:
    name = stem(row, row_id)
    assert re.fullmatch(r"[0-9]{9,}-[A-Za-z0-9_-]{0,64}", name)
    assert int(name.split("-")[0]) == row


@every_container
def test_a_part_without_clips_writes_nothing(name: str, tmp_path: Path, temporary: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    assert write(name, storage, []) == {}
    assert not list(storage.list())
    assert not list(temporary.iterdir())


@every_container
def test_an_aborted_part_leaves_nothing_on_the_local_disk(name: str, tmp_path: Path, temporary: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    writer = container_of(name).open_part(storage, PART, "flac")
    for row in range(150):
        writer.add(row, "a", b"x" * 100, sidecar("a"))
    writer.abort()
    writer.abort()
    assert not list(temporary.iterdir())
    if name != "files":
        assert not list(storage.list())


class FullStorage(LocalStorage):
    """A store that takes `room` objects and then is full."""

    room = 0

    def put(self, key: str, data: bytes | Path) -> None:
        if self.room <= 0:
            raise StorageFull(f"{key}: no room")
        self.room -= 1
        super().put(key, data)


@every_container
def test_a_full_store_is_raised_and_leaves_nothing(name: str, tmp_path: Path, temporary: Path) -> None:
    storage = FullStorage(tmp_path / "out")
    writer = container_of(name).open_part(storage, PART, "flac")
    for row in range(3):
        writer.add(row, "a", b"x", sidecar("a"))
    with pytest.raises(StorageFull, match="no room"):
        writer.close()
    writer.abort()
    assert not list(temporary.iterdir())


def test_files_notices_a_full_store_before_the_part_ends(tmp_path: Path) -> None:
    writer = container_of("files").open_part(FullStorage(tmp_path / "out"), PART, "flac")
    with pytest.raises(StorageFull):
        for row in range(1000):
            writer.add(row, "a", b"x", sidecar("a"))
    writer.abort()


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_temporary_folder_that_is_gone_is_an_error_of_ours(name: str, tmp_path: Path, temporary: Path) -> None:
    temporary.rmdir()
    writer = container_of(name).open_part(open_storage(str(tmp_path / "out")), PART, "flac")
    with pytest.raises(StorageUnavailable, match="temporary folder"):
        for row in range(200):
            writer.add(row, "a", b"x", sidecar("a"))
    writer.abort()


@every_container
def test_every_place_is_answered_once(name: str, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    clips = write(name, storage, ["a", "b", "c"])
    first = next(iter(clips))
    wrong: list[Place] = [
        (first[0], "nobody"),
        (first[0], 99),
        (first[0], -1),
        (f"audio/{PART}x", None),
        ("audio/x.tar", "y"),
    ]
    asked = [*clips, *wrong, first]
    answers = list(container_of(name).read(storage, asked))
    assert len(answers) == len(set(asked))
    assert {place for place, _ in answers} == set(asked)
    assert {place: answer for place, answer in answers if isinstance(answer, bytes)} == clips
    for place, answer in answers:
        if place in wrong:
            assert isinstance(answer, JobError)
            assert place[0] in str(answer)


@every_container
def test_reading_can_be_left_early(name: str, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    clips = write(name, storage, ["a"] * 30)
    reading: Iterator[Any] = container_of(name).read(storage, list(clips))
    assert isinstance(next(reading)[1], bytes)
    reading.close()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_damaged_object_answers_and_raises_nothing(name: str, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    clips = write(name, storage, ["a", "b", "c"])
    key = next(iter(clips))[0]
    whole = storage.get(key)
    for size in range(0, len(whole), 97):
        for damaged in (whole[:size], whole[:size] + bytes([whole[size] ^ 0xFF]) + whole[size + 1 :]):
            storage.put(key, damaged)
            answers = list(container_of(name).read(storage, list(clips)))
            assert {place for place, _ in answers} == set(clips)
            assert len(answers) == len(clips)


def test_a_store_that_is_down_is_raised_not_answered(tmp_path: Path) -> None:
    class Down(LocalStorage):
        def open(self, key: str) -> Any:
            raise StorageUnavailable(key)

        def get(self, key: str) -> bytes:
            raise StorageUnavailable(key)

    for name in CONTAINERS:
        clips = write(name, LocalStorage(tmp_path / name), ["a"])
        with pytest.raises(StorageUnavailable):
            list(container_of(name).read(Down(tmp_path / name), list(clips)))


def test_a_missing_file_is_answered_as_missing(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    [(_, answer)] = container_of("files").read(storage, [("audio/x.flac", None)])
    assert isinstance(answer, StorageMissing)


@pytest.mark.parametrize(
    "part", ["x", "000012-0003", "../x", "000012-0003-a/b", "000012-0003-a\n", "000012-rejected-a"]
)
def test_a_part_name_that_could_be_another_s_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="part's name"):
        part_prefix(part)


@pytest.mark.parametrize(
    ("key", "shard"),
    [
        ("audio/000012-0003-9f2c1a.tar", "000012-0003"),
        ("audio/1000012-10003-9f/000000001-a.wav", "1000012-10003"),
        ("audio/000012-0003.tar", None),
        ("x/audio/000012-0003-a.tar", None),
        ("audio/000012-rejected-a.tar", None),
    ],
)
def test_a_key_tells_its_shard(key: str, shard: str | None) -> None:
    assert shard_of(key) == shard


def test_an_unknown_container_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="files, webdataset, parquet"):
        container_of("zip")


@every_container
def test_containers_travel_to_replicas(name: str) -> None:
    assert pickle.loads(pickle.dumps(container_of(name))).name == name


def test_a_tar_is_plain_and_the_same_every_time(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    write("webdataset", storage, ["a.b", "../c"])
    data = storage.get(f"audio/{PART}.tar")
    write("webdataset", storage, ["a.b", "../c"], "000012-0003-again")
    assert storage.get("audio/000012-0003-again.tar") == data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        described = json.load(tar.extractfile(members[1]))  # pyright: ignore[reportArgumentType]
    names = ["000000000-a_b", "000000001-_c"]
    assert [member.name for member in members] == [f"{name}.{ext}" for name in names for ext in ("flac", "json")]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.isreg()) for m in members} == {
        (0, 0, 0, "", "", 0o644, True)
    }
    assert described["id"] == "a.b"
    assert described["row"] == 0
    assert described["metadata"] == {"speaker": "é", "score": None}


def test_a_tar_member_that_claims_to_be_huge_is_not_believed(tmp_path: Path) -> None:
    """A sparse member's length is whatever its header says; reading one would fill the memory with zeros."""
    header = tarfile.TarInfo("a.flac")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    body = b"0\n".ljust(512, b"\0")
    header.size = len(body)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(header, io.BytesIO(body))
    storage = open_storage(str(tmp_path / "out"))
    storage.put("audio/x.tar", buffer.getvalue())
    [(_, answer)] = container_of("webdataset").read(storage, [("audio/x.tar", "a.flac")])
    assert isinstance(answer, JobError)


def test_a_table_has_the_columns_that_datasets_loads(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    clips = write("parquet", storage, [f"id {row}" for row in range(230)])
    table = pq.read_table(tmp_path / "out" / "audio" / f"{PART}.parquet")
    assert table.num_rows == 230
    assert table.schema.field("audio").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {field.name: str(field.type) for field in table.schema if field.name != "audio"}
    assert columns == {
        "id": "string",
        "text": "string",
        "voice": "string",
        "seed": "int64",
        "speed": "double",
        "sample_rate": "int32",
        "num_samples": "int64",
        "duration_s": "double",
        "metadata": "string",
    }
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == table.schema.names
    assert features["audio"] == {"_type": "Audio"}
    assert features["seed"] == {"dtype": "int64", "_type": "Value"}
    assert [cell["bytes"] for cell in table.column("audio").to_pylist()] == list(clips.values())
    assert table.column("audio")[3].as_py()["path"] == "000000003-id_3.flac"
    assert table.column("id").to_pylist()[:2] == ["id 0", "id 1"]
    assert json.loads(table.column("metadata")[0].as_py()) == {"speaker": "é", "score": None}


def test_a_table_s_groups_stay_small_and_its_footer_holds_no_audio(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    write("parquet", storage, ["a"] * 230)
    with pq.ParquetFile(tmp_path / "out" / "audio" / f"{PART}.parquet") as file:
        groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [100, 100, 30]
    paths = {groups[0].column(index).path_in_schema: groups[0].column(index) for index in range(groups[0].num_columns)}
    assert paths["audio.bytes"].statistics is None
    assert paths["audio.bytes"].compression == "UNCOMPRESSED"


def test_large_clips_make_smaller_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 32 << 10)
    storage = open_storage(str(tmp_path / "out"))
    writer = container_of("parquet").open_part(storage, PART, "wav")
    for row in range(5):
        writer.add(row, "a", bytes(12 << 10), sidecar("a"))
    writer.close()
    with pq.ParquetFile(tmp_path / "out" / "audio" / f"{PART}.parquet") as file:
        assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [3, 2]


KILLED = """
import os, signal
SIDECAR = {"text": "a", "voice": "", "seed": 0, "speed": 1.0, "metadata": {}}
SIDECAR |= {"sample_rate": 8000, "num_samples": 9, "duration_s": 1.0}
from speechmill.cluster.storage import open_storage
from speechmill.cluster.containers import container_of
writer = container_of("NAME").open_part(open_storage("OUT"), "PART", "wav")
for row in range(3):
    writer.add(row, "a", b"x" * 100_000, SIDECAR)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system gives every file a name")
@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_a_writer_that_is_killed_leaves_nothing_on_the_disk(name: str, temporary: Path, tmp_path: Path) -> None:
    """A replica is killed with hundreds of megabytes in its hands, and the next one, on the same node."""
    program = KILLED.replace("NAME", name).replace("OUT", str(tmp_path / "out")).replace("PART", PART)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []


def test_a_job_may_name_each_container_of_the_registry() -> None:
    field = OutputSpec.model_fields["container"]
    assert set(get_args(field.annotation)) == {"jsonl", *CONTAINERS}
