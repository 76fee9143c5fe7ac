"""The same job on a Ray cluster by naming its address: a real head node on loopback, joined in every way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.waiting import HANG_S
from typer.testing import CliRunner

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.jobs.cli.main import app
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.integration

SPEECHMILL = [sys.executable, "-c", "from speechmill.jobs.cli.main import main; main()"]
MODEL = """
from speechmill.actors.models.tone import Tone

class Loud(Tone):
    def speak(self, segments):
        return [2 * wave for wave in super().speak(segments)]
"""


def job_file(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("id,text\n" + "".join(f"id-{row},Row number {row}.\n" for row in range(30)), encoding="utf-8")
    job = tmp_path / "job.yaml"
    sections = f"input: {{uri: {corpus}}}, model: {{name: tone}}, output: {{uri: {tmp_path / 'out'}}}"
    job.write_text(f"{{{sections}, cluster: {{replicas: 1}}}}")
    return job


def run(tmp_path: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    sets = [word for override in overrides for word in ("--set", override)]
    return subprocess.run(
        [*SPEECHMILL, "run", str(job_file(tmp_path)), *sets],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )


def check(tmp_path: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    report = verify(open_storage(str(tmp_path / "out")))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, 30)


def test_ray_client(tmp_path: Path, ray_head: Any, ray_nodes: Any) -> None:
    with ray_nodes.client_server(ray_head) as address:
        check(tmp_path, run(tmp_path, f"cluster.address={address}"))


def test_auto_joins_the_cluster_of_the_environment_with_a_model_of_the_users_own(tmp_path: Path, ray_head: Any) -> None:
    """A class named as "module:Class" has to be importable here and by the replicas; nothing else.

    `tests/jobs/submission` joins a cluster by host and port.
    """
    models = tmp_path / "models"
    models.mkdir()
    for folder in (models, ray_head.folder):
        (folder / "my_models.py").write_text(MODEL, encoding="utf-8")
    where = {"RAY_ADDRESS": ray_head.address, "PYTHONPATH": str(models)}
    check(tmp_path, run(tmp_path, "cluster.address=auto", "model.name=my_models:Loud", **where))
    assert max(abs(clip.samples).max() for clip in speechmill.read(str(tmp_path / "out"))) > 0.5, "twice as loud"


def test_auto_with_a_dead_address_in_the_environment_is_said(tmp_path: Path) -> None:
    """Ray would wait for it for minutes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(tmp_path, "cluster.address=auto", RAY_ADDRESS=address)
    assert done.returncode == 2
    assert "no Ray cluster can be joined there" in done.stderr


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_answers_is_said(tmp_path: Path, scheme: str) -> None:
    """Ray's own answer to a dead address is to end the process, here that of the tests; so the port is tried first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        done = CliRunner().invoke(app, ["run", str(job_file(tmp_path)), "--set", f"cluster.address={address}"])
    assert done.exit_code == 2
    assert f'cluster.address "{address}": no Ray cluster can be joined there' in done.stderr
    assert "Traceback" not in done.stderr
