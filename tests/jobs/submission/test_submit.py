"""Jobs on a real head: they run there, are followed, listed, stopped, killed and continued; they take no secret.

A run and a service on its cluster are here too: the head is the only one whose nodes have a wheel.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator, Set
from contextlib import chdir, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import held
from support.installed import Built, contents
from support.ports import free_ports
from support.waiting import HANG_S, eventually
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.errors import CorpusError, RunStopped, SpecError
from speechmill.jobs.cli.main import app
from speechmill.jobs.output.reader import read
from speechmill.jobs.submission.handle import SubmittedJob
from speechmill.jobs.verify import verify

TOKEN = "a-token-for-tests"
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


def check_came_along(head: Any, pids: Set[int]) -> None:
    """A driver and its replica run what the job brought along: the package and its metadata."""
    found = {pid: places for pid, places in sources(head).items() if pid in pids}
    assert len(found) == 2, found
    for places in found.values():
        assert len(places) == 2
        assert all(place.startswith(str(head.folder / "ray")) for place in places), places


def check(out: Path, num_ok: int) -> None:
    report = verify(open_storage(str(out)))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, num_ok)


def test_a_job_is_followed_left_stopped_killed_and_continued_and_takes_nothing_of_the_environment_along(
    tmp_path: Path, head: Any, built: Built, write_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One output through all that may happen to its drivers.

    The first is followed with the token of a file, and its cluster has no speechmill. The second runs the wheel that
    was installed there meanwhile. The third is sent from an environment full of secrets, with a corpus that has
    changed, and what comes with it goes before what is installed. The first two speak some rows and wait for the test.
    """
    assert "No module named 'speechmill'" in head.nodes.evaluate("import speechmill").stderr
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
    check_came_along(head, {driver.pid, *waiting(head)})
    (sent,) = (path.parent for path in head.folder.rglob("speechmill/__init__.py"))
    files = (path for path in sent.rglob("*") if path.is_file() and path.suffix != ".pyc")
    unpacked = {path.relative_to(sent.parent).as_posix(): path.read_bytes() for path in files}
    assert unpacked == {name: data for name, data in contents(built.wheel).items() if name.startswith("speechmill/")}

    stopped = head.invoke("stop", "first")
    assert stopped.returncode == 0, stopped.stderr
    assert "submit the same job to continue" in stopped.stderr
    assert [job["status"] for job in listed(head) if job["id"] == "first"] == ["STOPPED"]
    assert not driver.is_running()
    assert json.loads((out / "driver.json").read_text())["state"] == "released", "it ended by itself"
    assert json.loads((out / "job.json").read_text())["commit"]["state"] == "open"

    head.nodes.install(built.from_sdist)
    with head.client():
        second = speechmill.Job(**_absolute(tmp_path)).submit(head.url, id="second", installed=True)
        eventually(lambda: len(waiting(head)) == 2, "a replica of the second driver")
        killed = driver_of(out)
        killed.kill()
        assert second.wait(HANG_S) == 3
        with pytest.raises(RunStopped, match="by signal 9"):
            second.result()
    for pid in (killed.pid, waiting(head)[1]):
        assert all(place.startswith(str(head.nodes.folder)) for place in sources(head)[pid])
    hold.unlink()
    before = sources(head)

    secrets = dict.fromkeys(SECRETS, SECRET) | {"RAY_ADDRESS": "127.0.0.1:1"}
    corpus = tmp_path / "corpus.csv"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("id-1,", "id-1,Not as before: "), encoding="utf-8")
    done = head.call("submit", "job.yaml", "--wait", "--json", "--update", cwd=tmp_path, **secrets)
    assert done.returncode == 0, done.stderr
    submitted, result = map(json.loads, done.stdout.splitlines())
    assert submitted["event"] == "submitted"
    assert submitted["id"].startswith("tones-")
    assert (result["event"], result["num_ok"], result["output"]) == ("result", 16, str(out))
    check(out, 16)
    assert [clip.id for clip in read(str(out)) if str(clip.metadata["text"]).startswith("Not as before")] == ["id-1"]
    check_came_along(head, sources(head).keys() - before.keys())
    jobs = {job["id"]: job for job in listed(head)}
    assert list(jobs)[:3] == [submitted["id"], "second", "first"], "the newest first"
    job = jobs[submitted["id"]]
    assert (job["status"], job["exit_code"], job["name"]) == ("SUCCEEDED", 0, "tones")
    assert (job["output"], len(job["fingerprint"]), job["version"]) == (str(out), 64, metadata.version("speechmill"))
    seen = [path for path in head.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in seen if SECRET.encode() in path.read_bytes()]
    resources = [path for path in seen if "runtime_resources" in path.parts]
    assert any(path.name == "job.json" for path in resources), "what was sent lies there"
    assert not [path for path in resources if head.env["RAY_AUTH_TOKEN"].encode() in path.read_bytes()]


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


@pytest.fixture(scope="module")
def wheel_there(head: Any, built: Built) -> None:
    """The cluster has the wheel."""
    head.nodes.install(built.from_sdist)


@pytest.mark.usefixtures("wheel_there")
def test_a_run_on_a_cluster_that_has_the_wheel(tmp_path: Path, head: Any, write_job: Callable[..., Path]) -> None:
    where = ["--set", f"cluster.address={head.address}", "--set", f"output.uri={tmp_path / 'run'}"]
    done = head.user.speechmill(
        "run", str(write_job(6)), "--set", f"input.uri={tmp_path / 'corpus.csv'}", *where, "--json"
    )
    assert json.loads(done.stdout.splitlines()[-1])["num_ok"] == 6
    check(tmp_path / "run", 6)


@pytest.mark.usefixtures("wheel_there")
def test_a_service_speaks_shows_its_page_and_ends(head: Any, built: Built) -> None:
    with served(head) as (service, url):
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            speak(url, "another")
        refused.value.close()
        with wave.open(io.BytesIO(speak(url, TOKEN))) as spoken:
            assert np.frombuffer(spoken.readframes(-1), np.int16).any()
        page = "speechmill/jobs/service/page/"
        files = {name: data for name, data in contents(built.wheel).items() if name.startswith(page)}
        assert files
        assert {name: fetch(f"{url}/page/{name.removeprefix(page)}") for name in files} == files
        service.terminate()
        _, told = service.communicate(timeout=HANG_S)
    assert service.returncode == 0, told


@contextmanager
def served(head: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The user's command on the cluster, ready to speak by the tone model; what a client calls it by."""
    (port,) = free_ports(1)
    values = {"model.name": "tone", "cluster.address": head.address, "cluster.replicas": 1, "http.port": port}
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    env = head.env | {"SPEECHMILL_API_TOKEN": TOKEN}
    command = [head.user.command, "serve", *settings]
    with subprocess.Popen(command, cwd=head.user.work, env=env, stderr=subprocess.PIPE, text=True) as service:
        try:
            told: list[str] = []
            assert service.stderr is not None
            while not (told and told[-1].startswith("Ready:")):
                told.append(service.stderr.readline())
                assert told[-1], "".join(told)
            yield service, f"http://127.0.0.1:{port}"
        finally:
            service.kill()


def speak(url: str, token: str) -> bytes:
    body = json.dumps({"input": "The kettle is on.", "response_format": "wav", "stream": False}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return fetch(urllib.request.Request(f"{url}/v1/audio/speech", body, headers))


def fetch(what: str | urllib.request.Request) -> bytes:
    with urllib.request.urlopen(what, timeout=HANG_S) as answer:
        return answer.read()
