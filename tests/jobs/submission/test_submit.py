"""Jobs on a real head: they run there, are followed, listed, stopped, killed and continued; they take no secret."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import held
from support.waiting import HANG_S, eventually
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.errors import CorpusError, RunStopped, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.submission.handle import SubmittedJob
from speechmill.jobs.verify import verify

SECRET = "canary-that-must-stay-at-home"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "HF_TOKEN", "SPEECHMILL_KEY")


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block at the latest."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def listed(head: Any) -> list[dict[str, Any]]:
    done = head.invoke("list", "--json")
    assert done.returncode == 0, done.stderr
    assert head.env["RAY_AUTH_TOKEN"] not in done.stdout
    return json.loads(done.stdout)


def driver_of(out: Path) -> psutil.Process:
    return psutil.Process(json.loads((out / "driver.json").read_text())["pid"])


def waiting(head: Any) -> list[int]:
    """The replicas that have waited for the test, by their pids."""
    return [pid for pid, what, *_ in head.notes() if what == "waits"]


def sources(head: Any) -> dict[int, set[str]]:
    """By pid, where each process that ran the model had its speechmill and the metadata from."""
    found: dict[int, set[str]] = {}
    for pid, what, *places in head.notes():
        if what == "runs":
            found.setdefault(pid, set()).update(places)
    return found


def check(out: Path, num_ok: int) -> None:
    report = verify(open_storage(str(out)))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, num_ok)


def test_a_job_is_followed_left_stopped_killed_and_continued_and_takes_nothing_of_the_environment_along(
    tmp_path: Path, head: Any, write_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One output through all that may happen to its drivers.

    The first is followed with the token of a file, the second runs the speechmill that the head has, the third is sent
    from an environment full of secrets. Each speaks some rows and waits for the test; the third goes on at once.
    """
    out, hold = tmp_path / "out", head.folder / held.HOLD.name
    (tmp_path / ".env").write_text(SECRET)
    (tmp_path / "token").write_text(head.env["RAY_AUTH_TOKEN"])
    token = {"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    write_job(16, model="held:Held")
    hold.touch()
    with ending(head.start("submit", "job.yaml", "--id", "first", "--follow", cwd=tmp_path, **token)) as follower:
        eventually(lambda: list(out.glob("manifest/*/*.jsonl")) and waiting(head), "the first part")
        driver = driver_of(out)
        assert head.process.pid in {parent.pid for parent in driver.parents()}, "the driver stands in the cluster"

        again = head.invoke("submit", "job.yaml", cwd=tmp_path)
        assert again.returncode == 3
        assert f"{out} is written by job first (RUNNING" in again.stderr

        # The same place by another name, and not through the head: only the lease knows.
        monkeypatch.syspath_prepend(str(head.folder))
        with chdir(tmp_path):
            elsewhere = CliRunner().invoke(app, ["run", "job.yaml", "--set", f"output.uri=file://{out}"])
        assert elsewhere.exit_code == 3
        assert f"process {driver.pid}" in elsewhere.stderr, "who writes is named to the person"

        follower.send_signal(signal.SIGINT)
        shown, said = follower.communicate(timeout=HANG_S)
    assert follower.returncode == 130
    assert shown.startswith("first\n")
    assert "/ 16 rows" in shown, "progress is shown"
    assert "speechmill logs first --follow" in said
    assert [job["status"] for job in listed(head) if job["id"] == "first"] == ["RUNNING"]
    sent = {pid: places for pid, places in sources(head).items() if driver.pid == pid or pid in waiting(head)}
    assert len(sent) == 2, "driver and replica"
    # The cluster of the tests has this checkout as well; what came with the job goes first.
    assert all(place.startswith(str(head.folder / "ray")) for places in sent.values() for place in places)
    assert all(len(places) == 2 for places in sent.values())

    stopped = head.invoke("stop", "first")
    assert stopped.returncode == 0, stopped.stderr
    assert "submit the same job to continue" in stopped.stderr
    assert [job["status"] for job in listed(head) if job["id"] == "first"] == ["STOPPED"]
    assert not driver.is_running()
    assert json.loads((out / "driver.json").read_text())["state"] == "released", "it ended by itself"
    assert json.loads((out / "job.json").read_text())["commit"]["state"] == "open"

    with head.client():
        second = speechmill.Job(**_absolute(tmp_path)).submit(head.url, id="second", installed=True)
        eventually(lambda: len(waiting(head)) == 2, "a replica of the second driver")
        killed = driver_of(out)
        killed.kill()
        assert second.wait(HANG_S) == 3
        with pytest.raises(RunStopped, match="by signal 9"):
            second.result()
    assert str(Path(speechmill.__file__)) in sources(head)[killed.pid]
    hold.unlink()

    secrets = dict.fromkeys(SECRETS, SECRET) | {"RAY_ADDRESS": "127.0.0.1:1"}
    done = head.call("submit", "job.yaml", "--wait", "--json", cwd=tmp_path, **secrets)
    assert done.returncode == 0, done.stderr
    submitted, result = map(json.loads, done.stdout.splitlines())
    assert submitted["event"] == "submitted"
    assert submitted["id"].startswith("tones-")
    assert (result["event"], result["num_ok"], result["output"]) == ("result", 16, str(out))
    check(out, 16)
    jobs = {job["id"]: job for job in listed(head)}
    assert list(jobs)[:3] == [submitted["id"], "second", "first"], "the newest first"
    job = jobs[submitted["id"]]
    assert (job["status"], job["exit_code"], job["name"]) == ("SUCCEEDED", 0, "tones")
    assert (job["output"], len(job["fingerprint"]), job["version"]) == (str(out), 64, metadata.version("speechmill"))
    seen = [path for path in head.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in seen if SECRET.encode() in path.read_bytes()]
    unpacked = [path for path in seen if "runtime_resources" in path.parts]
    assert any(path.name == "job.json" for path in unpacked), "what was sent lies there"
    assert not [path for path in unpacked if head.env["RAY_AUTH_TOKEN"].encode() in path.read_bytes()]


def _absolute(tmp_path: Path) -> dict[str, Any]:
    from speechmill.jobs.spec.job import JobSpec

    values = JobSpec.load(tmp_path / "job.yaml").model_dump(exclude_unset=True)
    values["input"]["uri"] = str(tmp_path / "corpus.csv")
    values["output"]["uri"] = str(tmp_path / "out")
    return values


def test_failures_come_back_as_they_are(tmp_path: Path, head: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row of the first can be spoken, so it needs no replica."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.csv").write_text("id,text\nb,\n", encoding="utf-8")
    model = {"name": "tone"}
    with head.client():
        bad_row = speechmill.Job(input={"uri": "corpus.csv"}, model=model, output={"uri": "out"}).submit(head.url)
        no_file = speechmill.Job(input={"uri": "none.csv"}, model=model, output={"uri": "other"}).submit(head.url)
        assert bad_row.wait(HANG_S) == 1
        result = bad_row.result()
        assert (result.num_ok, result.num_failed, result.is_allowed, result.exit_code) == (0, 1, False, 1)
        assert bad_row.status() == "FAILED"
        assert no_file.wait(HANG_S) == 2
        with pytest.raises(CorpusError, match=r"no file matches .*none\.csv"):
            no_file.result()
        found = SubmittedJob(no_file.id, head.url)
        assert any("no file matches" in line for line in found.follow()), "found again, and its log is still there"
        assert not found.stop(), "it has ended"

    before = {job["id"] for job in listed(head)}
    taken = speechmill.Job(input={"uri": "corpus.csv"}, output={"uri": "third"})
    with head.client(), pytest.raises(SpecError, match=f"--id {found.id}: .* has a job of this id"):
        taken.submit(head.url, id=found.id)
    assert {job["id"] for job in listed(head)} == before, "nothing was sent"


@pytest.mark.parametrize("command", ["stop", "logs"])
def test_an_unknown_job_is_said(head: Any, command: str) -> None:
    done = head.invoke(command, "nobody")
    assert done.returncode == 2
    assert "knows no job nobody" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_AUTH_TOKEN": "another-token-that-somebody-made-up"}, "refuses the token"),
        ({"RAY_AUTH_MODE": "disabled"}, "asks for a token, and none was sent"),
        ({"RAY_AUTH_TOKEN": ""}, "token"),
    ],
    ids=["wrong", "not sent", "not there"],
)
def test_a_token_that_is_wrong_or_missing_is_one_line(
    tmp_path: Path, head: Any, write_job: Callable[..., Path], environment: dict[str, str], message: str
) -> None:
    """Ray ends a process that lost its token in the middle, so the one without a token is a process of its own."""
    write_job()
    begin = head.invoke if environment.get("RAY_AUTH_TOKEN") != "" else head.call
    done = begin("submit", "job.yaml", cwd=tmp_path, HOME=str(tmp_path), **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "set RAY_AUTH_MODE=token" in done.stderr
    assert "RAY_AUTH_TOKEN_PATH" in done.stderr
    assert done.stderr.count("\n") == 1
