"""Real heads on loopback, one for each way of authentication, and the command line as a process beside them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest

SPEECHMILL = [sys.executable, "-c", "from speechmill.jobs.cli import main; main()"]
TOKEN = "a-token-that-the-tests-made-up-0123456789"
_RAYS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@dataclass(frozen=True)
class Head:
    """A head: the URL of its dashboard, its own folder, and what a client's environment needs."""

    url: str
    folder: Path
    process: psutil.Process
    env: dict[str, str] = field(default_factory=dict)

    def call(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of speechmill to its end."""
        with self.start(*arguments, cwd=cwd, **environment) as process:
            out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Begin a command of speechmill."""
        return subprocess.Popen(
            [*SPEECHMILL, *arguments, "--address", self.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**_clean(), **self.env, **environment},
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _RAYS}


@contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in sockets]
    yield ports


@contextmanager
def _head(**environment: str) -> Iterator[Head]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Unix sockets below it have 107 bytes at most
    names = ["dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port", "ray-client-server-port"]
    with _free_ports(len(names)) as ports:
        options = dict(zip(names, map(str, ports), strict=True))
    options |= {
        "node-ip-address": "127.0.0.1",
        "dashboard-host": "127.0.0.1",
        "include-dashboard": "true",
        "num-cpus": "2",
        "temp-dir": str(folder / "ray"),
        "object-store-memory": "100000000",
    }
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port=0"]
    # As after `activate`: the head's `python` is the one that has Ray.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    log = folder / "head.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={
                **_clean(),
                "PATH": path,
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray turns 127.0.0.1 into the network card's address
                **environment,
            },
        )
    try:
        head = Head(f"http://127.0.0.1:{ports[0]}", folder, psutil.Process(process.pid), environment)
        _await(process, log)
        yield head
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.kill()
        process.wait()
        psutil.wait_procs(family[1:], timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        if "block forever" in log.read_text(errors="replace"):
            return
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.1)
    pytest.fail(f"Ray did not start: {log.read_text(errors='replace')}")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head that asks for nothing."""
    with _head(RAY_AUTH_MODE="disabled") as started:
        yield started


@pytest.fixture(scope="module")
def locked_head() -> Iterator[Head]:
    """A head that asks for a token."""
    with _head(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as started:
        yield started


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """Write a corpus and a job of the tone model, its paths relative to this test's folder."""

    def write(num_rows: int = 6, options: str = "{}", replicas: int | str = "auto") -> Path:
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
