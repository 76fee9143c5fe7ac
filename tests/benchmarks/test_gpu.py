"""The sections of `make gpu` run, as a dry run: on the pretended device, with tiny weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import FOLDER


@pytest.mark.soak
@pytest.mark.integration
def test_a_dry_run_writes_the_figures_of_each_section(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpu", "--dry-run", "--limit", "600", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--weights", str(tmp_path / "weights")],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert set(found) == {file.stem for file in tmp_path.glob("*.json")} - {"gpu"}
    for name, section in found.items():
        assert section["state"] == "done" and section["dry_run"], name
        assert section["figures"] and json.loads((tmp_path / f"{name}.json").read_text()) == section


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    sys.path.insert(0, str(FOLDER))
    try:
        from gpu.__main__ import run_section
        from gpu.weights import Bench

        with pytest.raises(SystemExit, match="finds no GPU here"):
            run_section("engine", tmp_path, Bench(tmp_path, is_tiny=False))
    finally:
        sys.path.remove(str(FOLDER))
