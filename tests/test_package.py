"""The package as its users get it: wheel and sdist are built from the tree, and what is installed does what it is for.

Two environments are made outside of the checkout. Each has what requirements.lock names, by links to where the tests'
own Python has it, and nothing else: no development tool, no checkout. One is the user's and gets the wheel; Ray runs
from the other, which gets it only after a job was submitted to it. So that job ran on the code that it brought along.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import urllib.error
import urllib.request
import venv
import wave
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uv
from support.waiting import HANG_S

import speechmill
from speechmill.cluster.storage import open_storage
from speechmill.jobs.verify import verify

pytestmark = pytest.mark.integration

ROOT = Path(speechmill.__file__).parent
LAYERS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))
NOT_SOURCE = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "out")
BUILD = "import setuptools.build_meta as backend, sys; getattr(backend, sys.argv[1])(sys.argv[2])"
NUM_ROWS = 6
TEXT = "The kettle is on, and the door is open."
TOKEN = "a-token-for-tests"


@dataclass(frozen=True)
class Built:
    """An sdist, the wheel made from it, and the wheel made from the tree."""

    sdist: Path
    from_sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Environment:
    """A Python with the runtime's dependencies, and a folder to work in, outside of it and of the checkout."""

    folder: Path
    work: Path
    env: dict[str, str]

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def install(self, wheel: Path) -> None:
        self.uv("install", "--offline", "--no-deps", str(wheel))

    def uv(self, command: str, *arguments: str) -> None:
        call = [uv.find_uv_bin(), "pip", command, "--no-config", "--no-cache", "--python", self.python, *arguments]
        done = subprocess.run(call, cwd=self.work, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def evaluate(self, code: str) -> subprocess.CompletedProcess[str]:
        return self._run([self.python, "-c", code])

    def speechmill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed command, to its end, which has to be a good one."""
        done = self._run([str(self.folder / "bin" / "speechmill"), *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, timeout=HANG_S, check=False
        )


def build(source: Path, kind: str, into: Path) -> Path:
    """Call the build backend as an installer does, with its warnings as errors; what it made."""
    into.mkdir()
    command = [sys.executable, "-W", "error", "-c", BUILD, f"build_{kind}", str(into)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = into.iterdir()
    return made


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def package_files() -> set[str]:
    """All that is the package in the checkout: its own modules, and whatever lies in folders that are packages."""
    own = [path for path in ROOT.iterdir() if path.suffix in (".py", ".typed") and path.name != "setup.py"]
    below = [path for layer in LAYERS for path in layer.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {f"speechmill/{path.relative_to(ROOT).as_posix()}" for path in [*own, *below]}


def link_dependencies(into: Path) -> None:
    """Links to what the distributions of the runtime lock have in the running environment."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    running = Path(sysconfig.get_path("purelib"))
    names: set[str] = set()
    for found in metadata.distributions(path=[str(running)]):
        if re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower() in locked:
            names |= {file.parts[0] for file in found.files or ()}
    for name in names - {"..", "__pycache__"}:
        if name.endswith(".dist-info"):
            shutil.copytree(running / name, into / name)  # uv looks into no link
        else:
            (into / name).symlink_to(running / name)


def environment(folder: Path, env: dict[str, str]) -> Environment:
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    link_dependencies(packages)
    (folder / "work").mkdir()
    return Environment(folder / "venv", folder / "work", env)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "tree", ignore=NOT_SOURCE)
    sdist = build(folder / "tree", "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    return Built(
        sdist, build(unpacked, "wheel", folder / "from-sdist"), build(folder / "tree", "wheel", folder / "wheel")
    )


@pytest.fixture(scope="module")
def clean_env(ray_nodes: Any) -> dict[str, str]:
    """Nothing leads to the checkout or to a Ray of its user, and 127.0.0.1 means just that, as it does to the head."""
    names = {name: value for name, value in ray_nodes.clean_environment().items() if not name.startswith("PYTHON")}
    return names | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@pytest.fixture(scope="module")
def user(built: Built, clean_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Who has the wheel, a corpus and a job file."""
    user = environment(tmp_path_factory.mktemp("user"), clean_env)
    user.install(built.wheel)
    rows = "".join(f"Row number {row}.\n" for row in range(NUM_ROWS))
    (user.work / "corpus.csv").write_text(f"text\n{rows}")
    (user.work / "job.yaml").write_text(
        "{name: tones, input: {uri: corpus.csv}, model: {name: tone}, output: {uri: out}, cluster: {replicas: 1}}"
    )
    return user


@pytest.fixture(scope="module")
def nodes(clean_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What a cluster's nodes run from."""
    return environment(tmp_path_factory.mktemp("nodes"), clean_env)


@pytest.fixture(scope="module")
def head(nodes: Environment, ray_nodes: Any) -> Iterator[Any]:
    with ray_nodes.head(has_dashboard=True, python=nodes.python) as head:
        yield head


@pytest.fixture(scope="module")
def submitted(user: Environment, nodes: Environment, head: Any) -> dict[str, Any]:
    """The result of a job on a cluster that has no speechmill."""
    assert "No module named 'speechmill'" in nodes.evaluate("import speechmill").stderr
    where = ["--address", head.url, "--set", "output.uri=submitted"]
    done = user.speechmill("submit", "job.yaml", *where, "--follow", "--json")
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def address(built: Built, nodes: Environment, head: Any, submitted: dict[str, Any]) -> str:
    """Of the same cluster, the wheel now installed there."""
    nodes.install(built.from_sdist)
    return head.address


def test_the_sdist_makes_the_wheel_that_the_tree_makes(built: Built) -> None:
    assert contents(built.from_sdist) == contents(built.wheel)


def test_all_of_the_package_is_in_the_wheel_and_nothing_else(built: Built) -> None:
    inside = set(contents(built.wheel))
    assert {name for name in inside if ".dist-info/" not in name} == package_files()
    licenses = {name.rpartition("/")[2] for name in inside if "/licenses/" in name}
    assert licenses == {"LICENSE", "NOTICE"}


def test_no_test_and_no_folder_beside_the_package_is_in_the_sdist(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {"speechmill.egg-info", *(layer.name for layer in LAYERS)}


def test_the_lock_holds_what_the_wheel_depends_on(user: Environment) -> None:
    user.uv("check")


def test_what_is_imported_is_the_wheel(user: Environment) -> None:
    shown = user.evaluate("import speechmill; print(speechmill.__file__); speechmill.Job")
    assert Path(shown.stdout.strip()).is_relative_to(user.folder), shown.stderr
    assert "No module named 'pytest'" in user.evaluate("import pytest").stderr


def test_a_text_is_said(user: Environment) -> None:
    user.speechmill("say", TEXT, "--model", "tone", "--output", "said.wav")
    with wave.open(str(user.work / "said.wav")) as said:
        assert said.getnframes() > said.getframerate() // 2
        assert np.frombuffer(said.readframes(-1), np.int16).any()


def test_a_job_brings_its_speechmill_to_a_cluster_that_has_none(
    user: Environment, head: Any, submitted: dict[str, Any], built: Built
) -> None:
    assert (submitted["event"], submitted["num_ok"]) == ("result", NUM_ROWS)
    check(user.work / "submitted")
    (sent,) = (path.parent for path in head.folder.rglob("speechmill/__init__.py"))
    files = (path for path in sent.rglob("*") if path.is_file() and path.suffix != ".pyc")
    unpacked = {path.relative_to(sent.parent).as_posix(): path.read_bytes() for path in files}
    assert unpacked == {name: data for name, data in contents(built.wheel).items() if name.startswith("speechmill/")}


def test_a_job_runs_on_a_cluster_that_has_the_wheel(user: Environment, address: str) -> None:
    where = ["--set", f"cluster.address={address}", "--set", "output.uri=run"]
    done = user.speechmill("run", "job.yaml", *where, "--json")
    assert json.loads(done.stdout.splitlines()[-1])["num_ok"] == NUM_ROWS
    check(user.work / "run")


def test_a_service_speaks_shows_its_page_and_ends(user: Environment, address: str, built: Built) -> None:
    with served(user, address) as (service, url):
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
def served(user: Environment, address: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The installed command, ready to speak by the tone model; what a client calls it by."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {"model.name": "tone", "cluster.address": address, "cluster.replicas": 1, "http.port": port}
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    command = [str(user.folder / "bin" / "speechmill"), "serve", *settings]
    env = user.env | {"SPEECHMILL_API_TOKEN": TOKEN}
    with subprocess.Popen(command, cwd=user.work, env=env, stderr=subprocess.PIPE, text=True) as service:
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
    body = json.dumps({"input": TEXT, "response_format": "wav", "stream": False}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return fetch(urllib.request.Request(f"{url}/v1/audio/speech", body, headers))


def fetch(what: str | urllib.request.Request) -> bytes:
    with urllib.request.urlopen(what, timeout=HANG_S) as answer:
        return answer.read()


def check(out: Path) -> None:
    report = verify(open_storage(str(out)))
    assert (report.is_ok, report.is_complete, report.num_ok) == (True, True, NUM_ROWS)
