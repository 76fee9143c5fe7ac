"""A head that is away, and jobs that are wrong before one is looked for: one line that says what to set."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from speechmill.jobs.cli.main import app

runner = CliRunner()


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
