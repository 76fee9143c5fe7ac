"""Real heads on loopback, one for each way of authentication, and the command line as a process beside them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.waiting import HANG_S
from typer.testing import CliRunner

from speechmill.jobs.cli.main import app

SPEECHMILL = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]
TOKEN = "a-token-that-the-tests-made-up-0123456789"


@dataclass(frozen=True)
class Head:
    """A head: the URL of its dashboard, its own folder, and what a client's environment needs."""

    url: str
    folder: Path
    process: psutil.Process
    env: dict[str, str]

    def call(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of speechmill to its end."""
        with self.start(*arguments, cwd=cwd, **environment) as process:
            out, err = process.communicate(timeout=HANG_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def invoke(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """As `call`, in this process: for a head that asks for no token."""
        with chdir(cwd or Path.cwd()):
            done = CliRunner().invoke(app, [*arguments, "--address", self.url], env=environment)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Begin a command of speechmill."""
        return subprocess.Popen(
            [*SPEECHMILL, *arguments, "--address", self.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=self.env | environment,
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )


@contextmanager
def _head(ray_nodes: Any, **environment: str) -> Iterator[Head]:
    with ray_nodes.head(has_dashboard=True, **environment) as node:
        yield Head(node.url, node.folder, node.process, ray_nodes.clean_environment() | environment)


@pytest.fixture(scope="module")
def head(ray_nodes: Any) -> Iterator[Head]:
    """A head that asks for nothing."""
    with _head(ray_nodes) as started:
        yield started


@pytest.fixture(scope="module")
def locked_head(ray_nodes: Any) -> Iterator[Head]:
    """A head that asks for a token."""
    with _head(ray_nodes, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """Write a corpus and a job of the tone model, its paths relative to this test's folder."""

    def write(num_rows: int = 6, options: str = "{}", replicas: int = 1) -> Path:
        rows = "".join(f"id-{row},Row number {row}.\n" for row in range(num_rows))
        (tmp_path / "corpus.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
        path = tmp_path / "job.yaml"
        path.write_text(
            f"{{name: tones, input: {{uri: corpus.csv}}, model: {{name: tone, options: {options}}}, "
            f"output: {{uri: out}}, sharding: {{shard_rows: 4}}, cluster: {{replicas: {replicas}}}}}",
            encoding="utf-8",
        )
        return path

    return write
