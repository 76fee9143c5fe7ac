"""Outputs that were edited, or damaged on a disk: what is read back is told by name, or counts as not there.

Each case damages a sound output; `status`, `verify`, `run` (which continues it, and needs no Ray for that) and the
reader are then asked, under the law of hostile input.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damaged_bytes import DAMAGE, UNPICKLED, changed
from support.outputs import begin, commit, edit_job, first_manifest, reopen

from speechmill.actors.records.manifest import content_digest
from speechmill.actors.records.part_name import PartName
from speechmill.actors.records.record import Record
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
NUM_ROWS = 5


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


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_job_json_is_named(tmp_path: Path, output: Storage, tell: Tell, damage: str) -> None:
    output.put("job.json", DAMAGE[damage](output.get("job.json")))
    for command, place in (("run", f"{tmp_path}/job.yaml"), ("status", output.uri), ("verify", output.uri)):
        tell(command, place, status=2, names=("job.json",))
    with pytest.raises(JobError, match=r"job\.json"):
        list(read(output.uri))
    assert not UNPICKLED.exists()


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
    """A run waits to see whether somebody changes it; see tests/cluster/lease/test_acquire.py."""
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
