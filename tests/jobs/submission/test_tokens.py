"""A head that asks for a token, and one that is away: one line that says what to set or where nobody is."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from speechmill.cluster.storage import open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.verify import verify

runner = CliRunner()


def test_a_job_is_sent_and_followed_with_the_token_of_a_file(
    tmp_path: Path, locked_head: Any, write_job: Callable[..., Path]
) -> None:
    write_job(6)
    (tmp_path / "token").write_text(locked_head.env["RAY_AUTH_TOKEN"])
    there = {"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    done = locked_head.call("submit", "job.yaml", "--installed", "--follow", "--json", cwd=tmp_path, **there)
    assert done.returncode == 0, done.stderr
    assert "/ 6 rows" in done.stderr, "progress is followed"
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["submitted", "result"]
    report = verify(open_storage(str(tmp_path / "out")))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, 6)
    sent = [path for path in (locked_head.folder / "ray").rglob("runtime_resources/**/*") if path.is_file()]
    assert any(path.name == "job.json" for path in sent)
    assert not [path for path in sent if locked_head.env["RAY_AUTH_TOKEN"].encode() in path.read_bytes()]
    listed = locked_head.call("list", "--json")
    assert locked_head.env["RAY_AUTH_TOKEN"] not in listed.stdout
    assert [job["status"] for job in json.loads(listed.stdout)] == ["SUCCEEDED"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_AUTH_TOKEN": "another-token-that-somebody-made-up"}, "refuses the token"),
        ({"RAY_AUTH_MODE": "disabled"}, "asks for a token, and none was sent"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ""}, "token"),
    ],
    ids=["wrong", "not sent", "not there"],
)
def test_a_token_that_is_wrong_or_missing_is_one_line(
    tmp_path: Path, locked_head: Any, write_job: Callable[..., Path], environment: dict[str, str], message: str
) -> None:
    write_job()
    done = locked_head.call("submit", "job.yaml", cwd=tmp_path, HOME=str(tmp_path), **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "set RAY_AUTH_MODE=token" in done.stderr
    assert "RAY_AUTH_TOKEN_PATH" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["submit", "job.yaml"], ["list"], ["stop", "x"], ["logs", "x"]])
def test_a_head_that_is_away_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_job: Callable[..., Path], command: list[str]
) -> None:
    write_job()
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = runner.invoke(app, [*command, "--address", address])
    assert done.exit_code == 2
    assert f"no Ray head answers at {address}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["list"], ["stop", "x"], ["logs", "x", "--follow"]])
def test_a_head_that_takes_a_request_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Story: a cable was pulled between request and answer, and the command waited without end."""
    monkeypatch.setattr("speechmill.jobs.submission.head.ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections, and nobody answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = runner.invoke(app, [*command, "--address", address])
    assert done.exit_code == 2
    assert f"the head at {address} does not answer" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "model.batchsize=3"], 'did you mean "model.batch_size"?'),
        (["--set", "model.name=tome"], 'did you mean "tone"?'),
        (["--set", "output.uri=s3://key:secret@bucket/out"], "must not hold credentials"),
        (["--id", "a b"], "--id 'a b'"),
        (["--entrypoint-num-cpus", "-1"], "--entrypoint-num-cpus is -1"),
    ],
)
def test_a_wrong_job_is_said_before_a_head_is_looked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_job: Callable[..., Path],
    arguments: list[str],
    message: str,
) -> None:
    write_job()
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = runner.invoke(app, ["submit", "job.yaml", "--address", address, *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("address", ["ray://head:10001", "http://", "http://head:port", "http://key:secret@head:8265"])
def test_what_is_no_dashboard_is_said(address: str) -> None:
    done = runner.invoke(app, ["list", "--address", address])
    assert done.exit_code == 2
    assert "--address" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
