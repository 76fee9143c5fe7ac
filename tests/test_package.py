"""The package as its users get it: wheel and sdist are built from the tree, and what is installed does what it is for.

What an installed wheel does on a cluster is shown in tests/jobs/submission.
"""

from __future__ import annotations

import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
from support import installed
from support.installed import ROOT, Built, Environment, contents

pytestmark = pytest.mark.integration

LAYERS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))
TEXT = "The kettle is on, and the door is open."


def package_files() -> set[str]:
    """All that is the package in the checkout: its own modules, and whatever lies in folders that are packages."""
    own = [path for path in ROOT.iterdir() if path.suffix in (".py", ".typed") and path.name != "setup.py"]
    below = [path for layer in LAYERS for path in layer.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {f"speechmill/{path.relative_to(ROOT).as_posix()}" for path in [*own, *below]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return installed.built(tmp_path_factory)


@pytest.fixture(scope="module")
def user(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Who has the wheel."""
    user = installed.environment(tmp_path_factory.mktemp("user"), installed.clean_env())
    user.install(built.wheel)
    return user


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
