"""All benchmarks in one go, and the page of their figures: `benchmarks/all.py`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import FOLDER, Program

pytestmark = pytest.mark.integration

PARTS = {"all", "scale_planning", "scale_makespan"}
"""Programs that are no benchmark of their own here: this one, and what `scale` runs."""

GOOD = 'print(\'│ table │\'); print(\'{"rows": %d, "machine": "a machine"}\')'


@pytest.fixture(name="program")
def all_program(program: Program) -> ModuleType:
    """The module `all` of the folder."""
    return program("all")


def write(program: ModuleType, folder: Path, **sources: str) -> dict[str, object]:
    """Benchmarks of these sources."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return {name: program.Benchmark(folder / f"{name}.py", f"Title of {name}", takes_peer=True) for name in sources}


def figures_on(page: str, name: str) -> dict[str, object]:
    """The figures in a section."""
    found = re.search(rf"<!-- benchmark: {name} -->\n.*?```json\n(.*?)\n```", page, re.DOTALL)
    assert found is not None, page
    return json.loads(found[1])


def test_a_real_one_runs_by_name_and_its_section_is_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    command = [sys.executable, str(FOLDER / "all.py"), "--tiny", "--only", "text_chunks", "--page", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    found = figures_on(page.read_text(encoding="utf-8"), "text_chunks")
    assert set(found) == {"sizes", "num_answers", "machine"}
    assert found["num_answers"] == 2
    assert "`python benchmarks/text_chunks.py --tiny`" in page.read_text(encoding="utf-8")


def test_one_that_fails_is_named_and_stops_no_other(
    program: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "figures.md"
    known = write(program, tmp_path, first="raise SystemExit(3)", second="print('no figures')", third=GOOD % 7)
    assert program.run_all(known, list(known), page, None, is_tiny=False) == ["first", "second"]
    text = page.read_text(encoding="utf-8")
    assert figures_on(text, "third") == {"rows": 7, "machine": "a machine"}
    assert "- `first`: Title of first" in text, "what is missing is said"
    assert "- `third`" not in text
    assert "ended with status 3" in capfd.readouterr().err


def test_a_run_of_some_leaves_the_other_sections_as_they_are(program: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    known = write(program, tmp_path, first=GOOD % 1, second=GOOD % 2)
    assert program.run_all(known, ["second"], page, None, is_tiny=False) == []
    assert program.run_all(known, ["first"], page, None, is_tiny=False) == []
    write(program, tmp_path, first=GOOD % 3, second=GOOD % 4)
    before = page.read_text(encoding="utf-8")
    assert program.run_all(known, ["first"], page, None, is_tiny=False) == []
    text = page.read_text(encoding="utf-8")
    assert figures_on(text, "first")["rows"] == 3
    assert figures_on(text, "second")["rows"] == 2
    assert "Missing" not in text
    assert text == before.replace('"rows": 1', '"rows": 3'), "in the same order, nothing else touched"


def test_one_that_fails_keeps_the_section_that_it_had(program: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    known = write(program, tmp_path, first=GOOD % 1)
    program.run_all(known, ["first"], page, None, is_tiny=False)
    before = page.read_text(encoding="utf-8")
    write(program, tmp_path, first="raise SystemExit(1)")
    assert program.run_all(known, ["first"], page, None, is_tiny=False) == ["first"]
    assert page.read_text(encoding="utf-8") == before


def test_the_peer_is_handed_on_and_its_place_is_not_on_the_page(program: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    known = write(program, tmp_path, first=f"import sys; assert sys.argv[1:] == ['--peer', '/here/python']\n{GOOD % 1}")
    assert program.run_all(known, ["first"], page, "/here/python", is_tiny=False) == []
    text = page.read_text(encoding="utf-8")
    assert "first.py --peer PYTHON`" in text
    assert "/here" not in text


@pytest.mark.parametrize(
    "arguments", ["--tiny", "--only chattts_parity --page x.md", "--only nonsense", "--tiny --page docs/figures.md"]
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.chdir(FOLDER.parent)
    monkeypatch.setattr(sys, "argv", ["all.py", *arguments.split()])
    monkeypatch.setattr(program, "run_all", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2


def test_every_benchmark_is_among_them(program: ModuleType) -> None:
    runnable = {file.stem for file in FOLDER.glob("*.py") if "ArgumentParser(" in file.read_text(encoding="utf-8")}
    assert set(program.BENCHMARKS) == runnable - PARTS
    for benchmark in program.BENCHMARKS.values():
        assert benchmark.program.is_file()
