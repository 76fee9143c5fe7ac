"""The package as its users get it: sdist and wheels of the tree, and environments outside of the checkout for them.

An environment has what requirements.lock names, by links to where the tests' own Python has it, and nothing else: no
development tool, no checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
import uv

import speechmill

from .made_once import made_once
from .ray_machines import clean_environment
from .waiting import HANG_S

ROOT = Path(speechmill.__file__).parent
NOT_SOURCE = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "out")
BUILD = "import setuptools.build_meta as backend, sys; getattr(backend, sys.argv[1])(sys.argv[2])"


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

    @property
    def command(self) -> str:
        """The installed `speechmill`."""
        return str(self.folder / "bin" / "speechmill")

    def install(self, wheel: Path) -> None:
        """Install a wheel, without what it depends on."""
        self.uv("install", "--offline", "--no-deps", str(wheel))

    def uv(self, command: str, *arguments: str) -> None:
        """A command of `uv pip`, which has to end well."""
        call = [uv.find_uv_bin(), "pip", command, "--no-config", "--no-cache", "--python", self.python, *arguments]
        done = subprocess.run(call, cwd=self.work, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def evaluate(self, code: str) -> subprocess.CompletedProcess[str]:
        """Let the environment's Python run a program."""
        return self._run([self.python, "-c", code])

    def speechmill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed command, to its end, which has to be a good one."""
        done = self._run([self.command, *arguments])
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
    """The files of a wheel by their names."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


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
    """A new environment without speechmill, below a folder."""
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    link_dependencies(packages)
    (folder / "work").mkdir()
    return Environment(folder / "venv", folder / "work", env)


def built(factory: pytest.TempPathFactory) -> Built:
    """Build all three from a copy of the tree, once for all workers of a test run."""
    return made_once(factory, "built", partial(_built, factory))


def _built(factory: pytest.TempPathFactory) -> Built:
    folder = factory.mktemp("built")
    shutil.copytree(ROOT, folder / "tree", ignore=NOT_SOURCE)
    sdist = build(folder / "tree", "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    return Built(
        sdist, build(unpacked, "wheel", folder / "from-sdist"), build(folder / "tree", "wheel", folder / "wheel")
    )


def clean_env() -> dict[str, str]:
    """Nothing leads to the checkout or to a Ray of its user, and 127.0.0.1 means just that, as it does to the head."""
    names = {name: value for name, value in clean_environment().items() if not name.startswith("PYTHON")}
    return names | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
