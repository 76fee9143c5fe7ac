"""An output that cannot be written: the run of the job that completed it looks its result up, all else is refused.

It was refused as well, although nothing had to be written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.outputs import begin, commit, complete, edit_job, reopen

from speechmill.actors.records.record import Record
from speechmill.cluster.storage import Storage, open_storage
from speechmill.cluster.storage.local.store import LocalStorage
from speechmill.errors import SpeechmillError, StorageDenied, StorageFull
from speechmill.jobs.output.ledger import Ledger
from speechmill.jobs.planning.planner import Planner
from speechmill.jobs.run import driver
from speechmill.jobs.run import prepare as job
from speechmill.jobs.run.prepare import prepare
from speechmill.jobs.spec.job import JobSpec

NUM_ROWS = 5
Situation = Callable[[Path], dict[str, Any]]


def spec_of(folder: Path, **sections: Any) -> JobSpec:
    return JobSpec.parse(
        {
            "input": {"uri": f"{folder}/corpus.csv"},
            "model": {"name": "tone", "device": "cpu"},
            "output": {"uri": f"{folder}/out"},
            "failure": {"max_failed_rows": NUM_ROWS},
        }
        | sections
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus and its output, complete. All rows are rejected, so that it is made without Ray."""
    (tmp_path / "corpus.csv").write_text("id,text\n" + "".join(f"{n},\n" for n in range(NUM_ROWS)))
    spec, storage = spec_of(tmp_path), open_storage(f"{tmp_path}/out")
    prepared = prepare(spec, storage, None, "cpu")
    claim = begin(storage, prepared.job_file)
    for planned in Planner(prepared.corpus, prepared.new_plan_log(), Ledger(), prepared.cost, spec.sharding.limits()):
        assert planned.window is not None
        records = [Record.of_failure(row, prepared.info.name, "1") for row in planned.window.rejected]
        commit(storage, claim, 0, None, records)
    complete(claim, records)
    return tmp_path


class ReadOnlyStorage(LocalStorage):
    """A folder that takes nothing; root may write where others may not, so permissions do not make one."""

    error: type[SpeechmillError] = StorageDenied

    def check(self, *, write: bool) -> None:
        if write:
            raise self.error("nothing can be written here")
        super().check(write=False)

    def put(self, key: str, data: bytes | Path) -> None:
        raise self.error(f"nothing can be written here: {key}")

    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        raise self.error(f"nothing can be written here: {key}")

    def can_put_if(self) -> bool:
        raise self.error("nothing can be written here")

    def delete(self, keys: Iterable[str]) -> int:
        raise self.error(f"nothing can be deleted here: {[*keys]}")


@pytest.fixture(params=[StorageDenied, StorageFull])
def refusal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[SpeechmillError]:
    """Outputs are read-only from here on; the error that they answer with."""

    def opened(uri: str, _: object = None) -> Storage:
        storage = ReadOnlyStorage(uri)
        storage.error = request.param
        return storage

    for module in (driver, job):
        monkeypatch.setattr(module, "open_storage", opened)
    return request.param


def test_the_result_of_a_complete_output_is_shown(folder: Path, refusal: type[SpeechmillError]) -> None:
    del refusal
    result = driver.run(spec_of(folder))
    assert (result.num_rows, result.num_failed, result.num_replicas, result.exit_code) == (NUM_ROWS, NUM_ROWS, 0, 0)
    assert driver.run(spec_of(folder, failure={"max_failed_rows": 0})).exit_code == 1


def another_job(folder: Path) -> dict[str, Any]:
    return {"seed": 3}


def another_corpus(folder: Path) -> dict[str, Any]:
    (folder / "corpus.csv").write_text("id,text\na,\n")
    return {}


def no_corpus(folder: Path) -> dict[str, Any]:
    (folder / "corpus.csv").unlink()
    return {}


def incomplete(folder: Path) -> dict[str, Any]:
    reopen(open_storage(f"{folder}/out"))
    return {}


def a_damaged_mark(folder: Path) -> dict[str, Any]:
    edit_job(open_storage(f"{folder}/out"), lambda body: body.update(complete={}))
    return {}


def no_output(folder: Path) -> dict[str, Any]:
    return {"output": {"uri": f"{folder}/other"}}


@pytest.mark.parametrize(
    "situation",
    [another_job, another_corpus, no_corpus, incomplete, a_damaged_mark, no_output],
    ids=lambda situation: situation.__name__,
)
def test_all_else_is_refused_since_nothing_can_be_written(
    folder: Path, refusal: type[SpeechmillError], situation: Situation
) -> None:
    spec = spec_of(folder, **situation(folder))
    with pytest.raises(refusal, match="nothing can be written here"):
        driver.run(spec)


def test_overwrite_is_refused_also_where_the_output_is_complete(folder: Path, refusal: type[SpeechmillError]) -> None:
    with pytest.raises(refusal, match="nothing can be written here"):
        driver.run(spec_of(folder), overwrite=True)


def _can_mount(folder: Path) -> bool:
    command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0"', str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.integration
def test_a_folder_that_is_mounted_read_only(folder: Path) -> None:
    """The command itself, in a mount namespace of its own, which ends with it."""
    if not _can_mount(folder):
        pytest.skip("unshare --mount, or a bind mount in it, is not allowed here")
    path = folder / "job.yaml"
    path.write_text(json.dumps(spec_of(folder).model_dump(mode="json", exclude_unset=True)))
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    speechmill = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]
    inside = ["unshare", "--mount", "sh", "-c", mount, str(folder / "out")]

    def run(*arguments: str) -> tuple[int, str, str]:
        command = [*inside, *speechmill, "run", str(path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    status, said, complaint = run("--json")
    assert (status, complaint) == (0, "")
    assert json.loads(said)["num_rows"] == NUM_ROWS
    status, said, complaint = run("--set", "seed=3")
    assert (status, said) == (2, "")
    assert "Read-only file system; give this user access, or choose another place" in complaint
