"""Outputs that somebody has edited, or a disk has: what is read back is told by name, or counts as not there.

Each case damages a sound output; `status`, `verify`, `run` (which continues it, and needs no Ray for that) and the
reader are then asked, under the law of hostile input.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.outputs import begin, commit, edit_job, rename_parts, reopen

from speechmill.actors.records.manifest import PartName, Record, content_digest
from speechmill.cluster.lease.lease import Lease
from speechmill.cluster.storage import Storage, open_storage
from speechmill.errors import JobError
from speechmill.jobs.output.complete import Complete
from speechmill.jobs.output.identity import FORMAT
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.output.plan_log import PlanLog
from speechmill.jobs.output.reader import read
from speechmill.jobs.planning.planner import Planner
from speechmill.jobs.run.prepare import prepare
from speechmill.jobs.spec.job import JobSpec

Tell = Callable[..., str]
WriteOutput = Callable[..., Storage]
NUM_ROWS = 5


@dataclass(frozen=True, slots=True)
class Touch:
    """A file whose unpickling would be seen."""

    path: str

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and its output, complete. All rows are rejected, so that it is made without Ray."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "corpus.csv").write_text("id,text\n" + "".join(f"{n},\n" for n in range(NUM_ROWS)), encoding="utf-8")
    spec, storage = JobSpec.parse(job_of(folder)), open_storage(f"{folder}/out")
    job = prepare(spec, storage, None, "cpu")
    with Lease.take(storage):
        claim = begin(storage, job.job_file)
        log = PlanLog(storage, job.plan_fingerprint, spec.sharding.window_rows)
        for planned in Planner(job.corpus, log, Ledger(), job.cost, spec.sharding.limits()):
            window = planned.window
            assert window is not None
            records = [Record.of_failure(failure, job.info.name, job.info.revision) for failure in window.rejected]
            assert commit(storage, claim, window.index, None, records).digest == window.rejected_digest
        claim.complete(Complete(NUM_ROWS, 0, NUM_ROWS, 0.0))
    return folder


def job_of(folder: Path) -> dict[str, Any]:
    return {
        "input": {"uri": f"{folder}/corpus.csv"},
        "model": {"name": "tone", "device": "cpu"},
        "output": {"uri": f"{folder}/out", "container": "webdataset"},
        "cluster": {"replicas": 1},
        "failure": {"max_failed_rows": 9},
    }


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Storage:
    """A copy of it."""
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    (tmp_path / "job.yaml").write_text(json.dumps(job_of(tmp_path)), encoding="utf-8")
    return open_storage(f"{tmp_path}/out")


def test_the_sound_output_is_sound(tmp_path: Path, output: Storage, tell: Tell) -> None:
    tell("run", f"{tmp_path}/job.yaml", status=0)
    tell("status", output.uri, status=0, names=("complete",))
    tell("verify", output.uri, status=0)


def changed(data: bytes, **values: Any) -> bytes:
    return json.dumps(json.loads(data) | values).encode()


def pickled(_: bytes) -> bytes:
    return pickle.dumps(Touch("/tmp/speechmill-was-unpickled"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "gzip": gzip.compress,
    "gzip, cut off": lambda data: gzip.compress(data)[:20],
    "zstd, cut off": lambda _: b"\x28\xb5\x2f\xfd\x04\x58\x99\x01",
    "a pickle": pickled,
    "latin-1": lambda data: data.rstrip().removesuffix(b"}") + b', "x": "caf\xe9"}',
    "bytes": lambda _: bytes(range(256)),
    "null": lambda _: b"null",
    "a list": lambda data: b"[" + data + b"]",
    "a text": lambda _: b'"job"',
    "a number": lambda _: b"1e999",
    "an empty object": lambda _: b"{}",
    "brackets": lambda _: b"[" * 100_000,
    "brackets inside": lambda data: data.rstrip().removesuffix(b"}") + b', "x": ' + b'{"a":' * 100_000,
    "a number without end": lambda _: b'{"num_rows": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_job_json_is_named(tmp_path: Path, output: Storage, tell: Tell, damage: str) -> None:
    output.put("job.json", DAMAGE[damage](output.get("job.json")))
    for command, place in (("run", f"{tmp_path}/job.yaml"), ("status", output.uri), ("verify", output.uri)):
        tell(command, place, status=2, names=("job.json",))
    with pytest.raises(JobError, match=r"job\.json"):
        list(read(output.uri))
    assert not Path("/tmp/speechmill-was-unpickled").exists()


JOB_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "a spec that is a list": ({"spec": []}, "job.json"),
    "an identity that is a text": ({"identity": "x"}, "job.json"),
    "a cost that is no number": ({"cost": {"base_s": "?", "char_s": 1, "audio_char_s": 1}}, "job.json"),
    "a cost of NaN": ({"cost": {"base_s": float("nan"), "char_s": 1, "audio_char_s": 1}}, "job.json"),
    "a cost beyond floats": ({"cost": {"base_s": 10**400, "char_s": 1, "audio_char_s": 1}}, "job.json"),
    "a cost of nothing": ({"cost": {"base_s": 0, "char_s": 0, "audio_char_s": 0}}, "job.json"),
    "a negative cost": ({"cost": {"base_s": -1, "char_s": 1, "audio_char_s": 1}}, "job.json"),
    "a cost of many parts": ({"cost": {f"k{n}": 1 for n in range(10_000)}}, "job.json"),
    "another job": ({"identity": {"format": FORMAT, "seed": "x" * 1_000_000}}, "holds another job"),
    "another format": ({"identity": {"format": 99}}, "format 99 there, 3 now"),
}


@pytest.mark.parametrize("name", JOB_VALUES)
def test_a_job_json_of_wrong_values_is_named(tmp_path: Path, output: Storage, tell: Tell, name: str) -> None:
    values, told = JOB_VALUES[name]
    edit_job(output, lambda body: body.update(values))
    tell("run", f"{tmp_path}/job.yaml", status=2, names=(told,))
    tell("status", output.uri, status=(0, 2))
    tell("verify", output.uri, status=(1, 2))  # the fingerprint, at least, is not that of another identity


@pytest.mark.parametrize("text", ["\ud800", "\x1b[31mred\nline", "\u202eevil", "x" * 1_000_000, ["list"], None])
def test_what_job_json_says_of_itself_can_be_shown(output: Storage, tell: Tell, text: Any) -> None:
    edit_job(output, lambda body: body["spec"].update(name=text, task=text))
    tell("status", output.uri, status=0)
    tell("status", output.uri, "--json", status=0)


MARKS: dict[str, object] = {
    "nothing": None,
    "a list": [],
    "a text": "complete",
    "a number": 1e300,
    "an empty object": {},
    "a mark inside": {"complete": {"num_rows": NUM_ROWS}},
}


@pytest.mark.parametrize("name", MARKS)
def test_a_damaged_mark_is_named(tmp_path: Path, output: Storage, tell: Tell, name: str) -> None:
    edit_job(output, lambda body: body.update(complete=MARKS[name]))
    for command, place in (("run", f"{tmp_path}/job.yaml"), ("status", output.uri), ("verify", output.uri)):
        tell(command, place, status=2, names=("job.json", "mark of completeness"))
    edit_job(output, lambda body: body.update(complete={}))
    reopen(output)
    tell("run", f"{tmp_path}/job.yaml", status=0)


@pytest.mark.parametrize(
    "values",
    [
        {"num_rows": -1},
        {"num_rows": 10**30},
        {"num_rows": 5.5},
        {"num_rows": "5"},
        {"num_rows": True},
        {"num_ok": 4},
        {"audio_s": float("inf")},
        {"audio_s": 10**400},
        {"audio_s": -1},
        {"batches": {"num_batches": float("nan")}},
        {"batches": {"num_batches": 10**400}},
        {"batches": {"no_such": 1}},
        {"batches": [1]},
        {"num_rows": 10**15, "num_ok": 0, "num_failed": 10**15},
        {"num_rows": 3, "num_ok": 0, "num_failed": 3},
    ],
    ids=str,
)
def test_a_mark_that_lies_is_told(tmp_path: Path, output: Storage, tell: Tell, values: dict[str, Any]) -> None:
    edit_job(output, lambda body: body["complete"].update(values))
    is_consistent = values.get("num_failed") is not None
    for command, place in (("run", f"{tmp_path}/job.yaml"), ("status", output.uri)):
        tell(command, place, status=1 if is_consistent else 2, names=() if is_consistent else ("job.json",))
    tell("plan", f"{tmp_path}/job.yaml", status=(0, 2))
    tell("verify", output.uri, status=1 if is_consistent else 2)


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "nothing"])
def test_a_damaged_plan_log_counts_as_none(tmp_path: Path, output: Storage, tell: Tell, damage: str) -> None:
    output.put("plan/000000.json", DAMAGE[damage](output.get("plan/000000.json")))
    output.put("plan/000000.ids", DAMAGE[damage](b"{}"))
    reopen(output)
    tell("run", f"{tmp_path}/job.yaml", status=0)
    tell("verify", output.uri, status=0)


WINDOWS: dict[str, dict[str, Any]] = {
    "rows that are not there": {"num_rows": 8_000},
    "a place that is not there": {"end": {"file": 9, "offset": 2**62, "number": 2**62}},
    "a place before the first": {"end": {"file": -1, "offset": -1, "number": -1}},
    "a cost of NaN": {"cost_s": float("nan")},
    "a cost without end": {"cost_s": float("inf"), "fraction_read": 0.5},
    "more of the input than there is": {"fraction_read": 1e300},
    "not the last": {"fraction_read": 0.1},
    "repeated rows that are not there": {"repeated": "ff" * 100_000},
    "repeated rows that are no hexadecimals": {"repeated": "xy"},
    "another digest": {"digest": "00" * 6},
    "a number of parts without end": {"num_parts": 2**63 - 1},
    "keys that nobody wrote": {"x": 1},
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_plan_log_that_lies_loses_no_row(tmp_path: Path, output: Storage, tell: Tell, name: str) -> None:
    """Sealed as ours, by somebody who can: the run ends as it should, or says that the corpus is another one."""
    body = json.loads(output.get("plan/000000.json"))
    body.pop("check")
    body["windows"][0] |= WINDOWS[name]
    log = PlanLog(output, body["fingerprint"], 8_192)
    output.put("plan/000000.json", json.dumps(body | {"check": log._check(body)}).encode())
    reopen(output)
    said = tell("run", f"{tmp_path}/job.yaml", status=(0, 2))
    assert "error" not in said or "corpus" in said
    if "error" not in said:
        tell("verify", output.uri, status=0)
        assert json.loads(output.get("job.json"))["complete"]["num_rows"] == NUM_ROWS


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name not in ("nothing", "gzip", "zstd, cut off")])
def test_a_damaged_driver_json_is_named(output: Storage, tell: Tell, damage: str) -> None:
    """A run waits to see whether somebody changes it; see tests/cluster/lease/test_lease.py."""
    reopen(output)
    output.put("driver.json", DAMAGE[damage](output.get("driver.json")))
    tell("status", output.uri, status=0, names=("driver.json",))
    tell("verify", output.uri, status=0)


@pytest.mark.parametrize(
    "values",
    [
        {"host": "\ud800\x1b[31m\n"},
        {"host": "x" * 1_000_000},
        {"since_s": 1e300, "renewed_s": -1e300},
        {"lease_s": 1e300},
        {"pid": -1},
        {"pid": 2**31 - 1, "started": 10**300},
        {"beat_s": -1e300},
        {"beat": 10**400},
    ],
    ids=",".join,
)
def test_a_driver_json_that_lies_can_be_shown(output: Storage, tell: Tell, values: dict[str, Any]) -> None:
    reopen(output)
    held = {"state": "held", "machine": "elsewhere"}
    output.put("driver.json", changed(output.get("driver.json"), **(held | values)))
    tell("status", output.uri, status=0)
    tell("verify", output.uri, status=0)


STRANGERS = [
    "manifest/notes.txt",
    "manifest/000000/0000.ok1.failed0.ms1.zz.jsonl",
    "manifest/000000/0000.ok1.failed0.ms01.aa.jsonl",
    "manifest/000000/0000.ok99999999999999999999.failed0.ms1.aa.jsonl",
    "manifest/0/0.ok1.failed0.ms1.aa.jsonl",
    "manifest/000000/rejected.ok0.failed5.ms0.0.jsonl/x",
    "manifest/\U0001f600.jsonl",
    "manifest/a\nb\x1b[31m.jsonl",
]


@pytest.mark.parametrize("key", STRANGERS)
def test_a_manifest_s_name_that_is_none_is_told(tmp_path: Path, output: Storage, tell: Tell, key: str) -> None:
    output.put(key, b"mine")
    reopen(output)
    for command, place in (("run", f"{tmp_path}/job.yaml"), ("status", output.uri)):
        tell(command, place, status=2, names=("is no manifest", "manifest/"))
    tell("verify", output.uri, status=0, names=("not ours: manifest/",))


LYING = [
    "manifest/000000/0007.{}.ok999999999999999999.failed999999999999999999.ms999999999999999999.aa{}.jsonl",
    "manifest/999999999999999999/0000.{}.ok1.failed0.ms1.aa{}.jsonl",
    "manifest/000000/999999999999999999.{}.ok1.failed0.ms1.aa{}.jsonl",
    "manifest/000000/rejected.{}.ok0.failed5.ms0.00{}.jsonl",
]


@pytest.mark.parametrize("key", LYING)
@pytest.mark.parametrize("number", ["n7", "n999999999999999999"])
def test_a_manifest_s_name_that_lies_is_told(
    tmp_path: Path, output: Storage, tell: Tell, key: str, number: str
) -> None:
    """Of rows that the corpus does not have: no run counts them as done."""
    run = str(PartName.parse(first_manifest(output, "")).stamp).rpartition(".")[0]
    data = b"no manifest\n"
    key = key.format(f"{run}.{number}", f".{content_digest(data)}")
    output.put(key, data)
    reopen(output)
    tell("status", output.uri, status=0)
    tell("verify", output.uri, status=1, names=(key,))
    tell("run", f"{tmp_path}/job.yaml", status=(0, 2))
    # It is left out where nothing is stored of its rows; a second manifest of a shard is for `verify` to name.
    said = tell("verify", output.uri, status=(0, 1))
    assert key in said.replace("\n", "") or json.loads(output.get("job.json"))["complete"]["num_rows"] == NUM_ROWS


@pytest.mark.parametrize("key", LYING)
def test_an_empty_manifest_counts_as_none(tmp_path: Path, output: Storage, tell: Tell, key: str) -> None:
    """Some services keep an empty object of an upload that broke off."""
    run = str(PartName.parse(first_manifest(output, "")).stamp).rpartition(".")[0]
    output.put(key.format(f"{run}.n7", f".{content_digest(b'')}"), b"")
    reopen(output)
    tell("status", output.uri, status=0)
    tell("run", f"{tmp_path}/job.yaml", status=0)
    tell("verify", output.uri, status=0)


@pytest.mark.parametrize("raw", [b"caf\xe9.txt", b"a\nb\x1b[31m", "a\u202eb".encode()])
@pytest.mark.parametrize("folder", ["", "audio/"])
def test_a_file_name_that_no_terminal_takes_is_shown(output: Storage, tell: Tell, raw: bytes, folder: str) -> None:
    path = os.fsencode(f"{output.uri}/{folder}") + raw
    Path(os.fsdecode(path)).parent.mkdir(exist_ok=True)
    Path(os.fsdecode(path)).touch()
    tell("verify", output.uri, status=0)
    tell("verify", output.uri, "--json", status=0)


def a_link_out(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def a_circle(path: Path) -> None:
    path.symlink_to(path)


def a_hole(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("make", [a_link_out, a_circle, os.mkfifo, Path.mkdir, a_hole])
@pytest.mark.parametrize("key", ["job.json", "plan/000000.json", "plan/000000.ids", "manifest"])
def test_what_is_no_file_of_ours_is_told(
    tmp_path: Path, output: Storage, tell: Tell, make: Callable[[Path], None], key: str
) -> None:
    key = next(output.list("manifest/")).key if key == "manifest" else key
    path = Path(output.uri) / key
    path.unlink(missing_ok=True)
    make(path)
    for command, place in (("status", output.uri), ("verify", output.uri)):
        said = tell(command, place, status=(0, 1, 2))
        assert "root:" not in said


# What the manifests name.


def first_manifest(storage: Storage, shard: str = "0000") -> str:
    return next(storage.list(f"manifest/000000/{shard}")).key


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
