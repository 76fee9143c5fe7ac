"""A real head on loopback that asks for a token, and the command line in this process and as one beside it.

Two environments are made outside of the checkout. One is the user's and has the wheel. The head and its workers run
from the other, which gets a wheel only after a job was submitted to it: that job runs the code that came along.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import held, installed
from support.installed import Built, Environment
from support.waiting import HANG_S
from typer.testing import CliRunner

from speechmill.jobs.cli.main import app

TOKEN = "a-token-that-the-tests-made-up-0123456789"
ASKS = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


@dataclass(frozen=True)
class Head:
    """A head, and those who use it.

    Attributes:
        url: Of its dashboard
        address: Of its Ray
        folder: Its own, from which its workers can import
        nodes: What it runs from
        user: Who has the wheel
        env: What a client's environment needs
    """

    url: str
    address: str
    folder: Path
    process: psutil.Process
    nodes: Environment
    user: Environment
    env: dict[str, str]

    def call(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the user's speechmill to its end."""
        with self.start(*arguments, cwd=cwd, **environment) as process:
            out, err = process.communicate(timeout=HANG_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def invoke(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """As `call`, in this process, with the checkout."""
        with self.client(**environment), chdir(cwd or Path.cwd()):
            done = CliRunner().invoke(app, [*arguments, "--address", self.url])
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Begin a command of the user's speechmill."""
        return subprocess.Popen(
            [self.user.command, *arguments, "--address", self.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=self.env | environment,
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    @contextmanager
    def client(self, **environment: str) -> Iterator[None]:
        """Give this process the head's token, or what `environment` says. Ray reads these variables once."""
        try:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in (ASKS | environment).items():
                    patch.setenv(name, value)
                _forget_tokens()
                yield
        finally:
            _forget_tokens()

    def notes(self) -> list[list[Any]]:
        """What processes have noted that run the model `held:Held`: their pids, and what."""
        path = self.folder / held.NOTES.name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _forget_tokens() -> None:
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return installed.built(tmp_path_factory)


@pytest.fixture(scope="module")
def head(ray_nodes: Any, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head that asks for a token. Its workers find the model `held:Held`; a test installs speechmill there."""
    env = installed.clean_env() | ASKS
    nodes, user = (installed.environment(tmp_path_factory.mktemp(name), env) for name in ("nodes", "user"))
    user.install(built.wheel)
    with ray_nodes.head(has_dashboard=True, python=nodes.python, **ASKS) as node:
        shutil.copy(held.__file__, node.folder)
        yield Head(node.url, node.address, node.folder, node.process, nodes, user, env)


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """Write a corpus and a job, its paths relative to this test's folder."""

    def write(num_rows: int = 6, model: str = "tone") -> Path:
        rows = "".join(f"id-{row},{held.ROW}{row}.\n" for row in range(num_rows))
        (tmp_path / "corpus.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
        path = tmp_path / "job.yaml"
        path.write_text(
            f'{{name: tones, input: {{uri: corpus.csv}}, model: {{name: "{model}", batch_size: 1}}, '
            "output: {uri: out}, sharding: {shard_rows: 4}, cluster: {replicas: 1}}",
            encoding="utf-8",
        )
        return path

    return write
