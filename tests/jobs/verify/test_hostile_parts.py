"""Manifests and containers that were edited, or damaged on a disk: `verify` and the reader tell, by name.

The law of hostile input holds for both: no traceback, no hang, no file outside the output.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.damaged_bytes import DAMAGE, UNPICKLED, changed
from support.outputs import first_manifest, rename_parts

from speechmill.actors.records.manifest import content_digest
from speechmill.actors.records.part_name import PartName
from speechmill.cluster.storage import Storage
from speechmill.errors import JobError
from speechmill.jobs.output.reader import read

Tell = Callable[..., str]
WriteOutput = Callable[..., Storage]


def put_renamed(storage: Storage, key: str, data: bytes) -> str:
    """Another content for a manifest, under the name that holds its hash; the root names it."""
    name = replace(PartName.parse(key), content=content_digest(data))
    storage.delete([key])
    storage.put(name.key, data)
    rename_parts(storage)
    return name.key


def edited(storage: Storage, **values: Any) -> None:
    """The first row of the first shard says something else, under a name that fits."""
    key = first_manifest(storage)
    first, *others = storage.get(key).splitlines(keepends=True)
    put_renamed(storage, key, b"".join([changed(first, **values) + b"\n", *others]))


LIES: dict[str, dict[str, Any]] = {
    "a row of NaN": {"row": float("nan")},
    "a row without end": {"row": 10**400},
    "a negative row": {"row": -1},
    "the last row that there can be": {"row": 2**63 - 1},
    "a member that leads out": {"member": "../../../../etc/passwd"},
    "a member that is a path": {"member": "/etc/passwd"},
    "a member of half a surrogate": {"member": "\ud800\n\x1b[31m"},
    "a member of a megabyte": {"member": "x" * 1_000_000},
    "a member that is a number": {"member": -1},
    "audio that leads out": {"audio": "../../etc/passwd"},
    "audio that leads out, from its shard": {"audio": "audio/000000-0000-x/../../../../etc/passwd"},
    "audio that is a path": {"audio": "/etc/passwd"},
    "audio of a NUL": {"audio": "audio/000000-0000-x\0"},
    "audio of half a surrogate": {"audio": "audio/000000-0000-\ud800"},
    "samples without end": {"num_samples": 2**62, "duration_s": 1e15},
    "a rate of nothing": {"sample_rate": 0},
    "a length of nothing": {"num_samples": 0},
    "bytes without end": {"audio_bytes": 2**62},
    "a digest of a megabyte": {"audio_sha256": "0" * 1_000_000},
    "metadata that is a list": {"metadata": []},
    "metadata that is nested": {"metadata": {"a": [1]}},
    "a status of its own": {"status": "fine\n"},
    "a field of its own": {"x\n\x1b[31m": 1},
    "a speed without end": {"speed": float("inf")},
}


@pytest.mark.parametrize("name", LIES)
def test_a_manifest_that_lies_is_told(write_output: WriteOutput, tell: Tell, name: str) -> None:
    storage = write_output(["files", "webdataset", "parquet"][len(name) % 3], "flac")
    edited(storage, **LIES[name])
    tell("verify", storage.uri, status=1, names=("problem: ",))
    with contextlib.suppress(JobError):  # of what it does not use, the reader knows nothing
        assert {clip.id for clip in read(storage.uri)} <= {f"id {row}" for row in range(11)}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_manifest_is_told(write_output: WriteOutput, tell: Tell, damage: str) -> None:
    storage = write_output("files", "wav")
    key = first_manifest(storage)
    key = put_renamed(storage, key, DAMAGE[damage](storage.get(key).partition(b"\n")[0]))
    tell("verify", storage.uri, status=1, names=(key,))
    if damage != "nothing":
        with pytest.raises(JobError, match=r"000000/0000\."):
            list(read(storage.uri))
    assert not UNPICKLED.exists()


# Containers.


def tar_of(*headers: tarfile.TarInfo | bytes) -> bytes:
    buffer = io.BytesIO()
    for header in headers:
        buffer.write(header if isinstance(header, bytes) else header.tobuf(tarfile.GNU_FORMAT))
    return buffer.getvalue()


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def named(member: str, kind: bytes, link: str = "") -> bytes:
    return tar_of(header(member, kind, link=link), bytes(1024))


MEMBER = "000000000-id_0.flac"
LONG = header("x", tarfile.GNUTYPE_LONGNAME, 512).tobuf(tarfile.GNU_FORMAT) + b"y" * 512
TARS: dict[str, bytes] = {
    "a link out": named(MEMBER, tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": named(MEMBER, tarfile.LNKTYPE, "../../etc/passwd"),
    "a device": named(MEMBER, tarfile.CHRTYPE),
    "a pipe": named(MEMBER, tarfile.FIFOTYPE),
    "a sparse file": named(MEMBER, tarfile.GNUTYPE_SPARSE),
    "a name that leads out": tar_of(header("../../../tmp/speechmill-was-here", size=4), b"evil" + bytes(2044)),
    "a name that is a path": tar_of(header("/tmp/speechmill-was-here", size=4), b"evil" + bytes(2044)),
    "a size without end": tar_of(header(MEMBER, size=2**62), b"x" * 1024),
    "a negative size": tar_of(header(MEMBER, size=-512), b"x" * 1024),
    "names of names of names": LONG * 3_000,
    "headers of headers": header("x", tarfile.XHDTYPE, 0).tobuf(tarfile.GNU_FORMAT) * 3_000,
    "a header that says its size is none": tar_of(
        header("x", tarfile.XHDTYPE, 14), b"14 size=hello\n" + bytes(498), header(MEMBER)
    ),
    "a name of 2 MB": tar_of(header("x", tarfile.GNUTYPE_LONGNAME, 1 << 21), b"y" * (1 << 21), header("z")),
    "a name of half a terabyte": tar_of(header("x", tarfile.GNUTYPE_LONGNAME, 1 << 39), b"y" * 2048),
    "noise": bytes(range(256)) * 64,
    "gzip": gzip.compress(bytes(10_240)),
}


@pytest.mark.parametrize("name", TARS)
def test_a_hostile_tar_is_told(write_output: WriteOutput, tell: Tell, name: str) -> None:
    storage = write_output("webdataset", "flac")
    key = next(storage.list("audio/")).key
    storage.put(key, TARS[name])
    tell("verify", storage.uri, status=1, names=(key, "row 0"))
    with pytest.raises(JobError, match=key):
        list(read(storage.uri))
    assert not Path("/tmp/speechmill-was-here").exists()


def parquet_of(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


TABLES: dict[str, Callable[[], bytes]] = {
    "no audio": lambda: parquet_of({"id": ["x"] * 5}),
    "audio that is text": lambda: parquet_of({"audio": ["x"] * 5}),
    "audio of numbers": lambda: parquet_of({"audio": pa.array([{"bytes": 3}] * 5)}),
    "audio of lists": lambda: parquet_of({"audio": pa.array([{"bytes": [b"x"]}] * 5)}),
    "audio of nothing": lambda: parquet_of(
        {"audio": pa.array([{"bytes": None}] * 5, pa.struct([("bytes", pa.binary())]))}
    ),
    "audio without bytes": lambda: parquet_of({"audio": pa.array([{"path": "/etc/passwd"}] * 5)}),
    "no rows": lambda: parquet_of({"audio": pa.array([], pa.struct([("bytes", pa.binary())]))}),
    "other bytes": lambda: parquet_of({"audio": pa.array([{"bytes": b"x"}] * 5)}),
    "one clip many times": lambda: parquet_of({"audio": pa.array([{"bytes": b"x" * 100_000}] * 200)}),
    "a footer without end": lambda: b"PAR1" + b"\xff\xff\xff\x7fPAR1",
    "noise": lambda: b"PAR1" + bytes(range(256)) * 64 + b"PAR1",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_hostile_table_is_told(write_output: WriteOutput, tell: Tell, name: str) -> None:
    storage = write_output("parquet", "flac")
    key = next(storage.list("audio/")).key
    storage.put(key, TABLES[name]())
    tell("verify", storage.uri, status=1, names=(key, "row 0"))
    with pytest.raises(JobError, match=key):
        list(read(storage.uri))


def test_every_flipped_byte_of_a_container_is_told(write_output: WriteOutput, tell: Tell) -> None:
    """A byte here and there, in headers, clips and footers; what carries nothing may be flipped unseen."""
    for container in ("webdataset", "parquet"):
        storage = write_output(container, "flac")
        key = next(storage.list("audio/")).key
        whole = storage.get(key)
        for at in range(0, len(whole), max(1, len(whole) // 8)):
            storage.put(key, whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
            tell("verify", storage.uri, status=(0, 1))
        storage.put(key, whole)
        tell("verify", storage.uri, status=0)
        storage.delete([entry.key for entry in storage.list()])


def test_a_manifest_of_a_shard_that_nobody_planned_is_told(write_output: WriteOutput, tell: Tell) -> None:
    """Rows without audio in such a shard: no contradiction in itself, but rows are there twice."""
    storage = write_output("files", "wav")
    name = PartName.parse(first_manifest(storage))
    stamp = name.stamp.replace(".n0", ".n7")
    storage.put(replace(name, window=7, index=7, stamp=stamp).key, storage.get(name.key))
    rename_parts(storage)
    tell("verify", storage.uri, status=1, names=("is in another manifest too", "not of this shard"))
