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
from support.waiting import HANG_S, eventually
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.errors import CorpusError, RunStopped, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.submission.handle import SubmittedJob
from speechmill.jobs.verify import verify

SECRET = "canary-that-must-stay-at-home"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "HF_TOKEN", "RAY_AUTH_TOKEN", "SPEECHMILL_KEY")


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
    return json.loads(done.stdout)


def driver_of(out: Path) -> psutil.Process:
    return psutil.Process(json.loads((out / "driver.json").read_text())["pid"])


def check(out: Path, num_ok: int) -> None:
    report = verify(open_storage(str(out)))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, num_ok)


def test_what_runs_there_is_what_was_sent(head: Any) -> None:
    """The cluster of the tests has this checkout as well; driver and workers have to prefer what came with the job."""
    from speechmill.jobs.submission.head import Head
    from speechmill.jobs.submission.package import runtime_env

    code = (
        "import ray, speechmill, importlib.metadata as m; ray.init(address='auto', logging_level='ERROR')\n"
        "where = lambda: (__import__('speechmill').__file__, str(m.distribution('speechmill').locate_file('')))\n"
        "print('found', *where(), *ray.get(ray.remote(where).remote()), m.version('speechmill'))"
    )
    client = Head(head.url)
    with runtime_env({}, with_speechmill=True) as env:
        client.submit("probe", f'exec python -c "{code}"', env, {"speechmill": "0"}, None)
    probe = SubmittedJob.of("probe", client)
    probe.wait(HANG_S)
    [line] = [line for line in probe.logs().splitlines() if line.startswith("found ")]
    *places, version = line.split()[1:]
    assert len(places) == 4
    assert all(place.startswith(str(head.folder / "ray")) for place in places)
    assert version == metadata.version("speechmill")


def test_a_job_is_followed_left_stopped_killed_and_continued_and_takes_nothing_of_the_environment_along(
    tmp_path: Path, head: Any, write_job: Callable[..., Path]
) -> None:
    """One output through all that may happen to its drivers; the last is sent from an environment full of secrets."""
    out, slow = tmp_path / "out", tmp_path / "slow"
    (tmp_path / ".env").write_text(SECRET)
    # Whichever driver's replica finds the file speaks for minutes: nothing here depends on how fast the machine is.
    write_job(16, options=f"{{batch_s: 0.25, slow: 2000, slow_file: {slow}}}, batch_size: 1", replicas=1)
    with ending(head.start("submit", "job.yaml", "--id", "first", "--follow", cwd=tmp_path)) as follower:
        eventually(lambda: list(out.glob("manifest/*/*.jsonl")), "the first part")
        slow.touch()
        eventually(lambda: not slow.exists(), "a replica that is slow")
        driver = driver_of(out)
        assert head.process.pid in {parent.pid for parent in driver.parents()}, "the driver stands in the cluster"

        again = head.invoke("submit", "job.yaml", cwd=tmp_path)
        assert again.returncode == 3
        assert f"{out} is written by job first (RUNNING" in again.stderr

        # The same place by another name, and not through the head: only the lease knows.
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

    stopped = head.invoke("stop", "first")
    assert stopped.returncode == 0, stopped.stderr
    assert "submit the same job to continue" in stopped.stderr
    assert [job["status"] for job in listed(head) if job["id"] == "first"] == ["STOPPED"]
    assert not driver.is_running()
    assert json.loads((out / "driver.json").read_text())["state"] == "released", "it ended by itself"
    assert json.loads((out / "job.json").read_text())["commit"]["state"] == "open"

    slow.touch()
    second = speechmill.Job(**_absolute(tmp_path)).submit(head.url, id="second")
    eventually(lambda: not slow.exists(), "a replica of the second driver")
    driver_of(out).kill()
    assert second.wait(HANG_S) == 3
    with pytest.raises(RunStopped, match="by signal 9"):
        second.result()

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
    assert (job["output"], len(job["fingerprint"])) == (str(out), 64)
    seen = [path for path in head.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(path.name == "job.json" for path in seen), "what was sent lies there, unpacked"
    assert not [path for path in seen if SECRET.encode() in path.read_bytes()]


def _absolute(tmp_path: Path) -> dict[str, Any]:
    from speechmill.jobs.spec.job import JobSpec

    values = JobSpec.load(tmp_path / "job.yaml").model_dump(exclude_unset=True)
    values["input"]["uri"] = str(tmp_path / "corpus.csv")
    values["output"]["uri"] = str(tmp_path / "out")
    return values


def test_failures_come_back_as_they_are(tmp_path: Path, head: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.csv").write_text("id,text\na,One two three.\nb,\n", encoding="utf-8")
    model = {"name": "tone"}
    bad_row = speechmill.Job(input={"uri": "corpus.csv"}, model=model, output={"uri": "out"}).submit(head.url)
    no_file = speechmill.Job(input={"uri": "none.csv"}, model=model, output={"uri": "other"}).submit(head.url)
    assert bad_row.wait(HANG_S) == 1
    result = bad_row.result()
    assert (result.num_ok, result.num_failed, result.is_allowed, result.exit_code) == (1, 1, False, 1)
    assert bad_row.status() == "FAILED"
    assert no_file.wait(HANG_S) == 2
    with pytest.raises(CorpusError, match=r"no file matches .*none\.csv"):
        no_file.result()
    found = SubmittedJob(no_file.id, head.url)
    assert any("no file matches" in line for line in found.follow()), "found again, and its log is still there"
    assert not found.stop(), "it has ended"

    before = {job["id"] for job in listed(head)}
    taken = speechmill.Job(input={"uri": "corpus.csv"}, output={"uri": "third"})
    with pytest.raises(SpecError, match=f"--id {found.id}: .* has a job of this id"):
        taken.submit(head.url, id=found.id)
    assert {job["id"] for job in listed(head)} == before, "nothing was sent"


@pytest.mark.parametrize("command", ["stop", "logs"])
def test_an_unknown_job_is_said(head: Any, command: str) -> None:
    done = head.invoke(command, "nobody")
    assert done.returncode == 2
    assert "knows no job nobody" in done.stderr
    assert done.stderr.count("\n") == 1
