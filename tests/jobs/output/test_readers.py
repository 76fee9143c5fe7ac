"""Every reader that docs/output.md names opens outputs of 200 rows: its snippets are run as they stand there."""

from __future__ import annotations

import ast
import gc
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.rows_output import write_rows

from speechmill.cluster.storage import open_storage

PAGE = (Path(__file__).parents[3] / "docs" / "output.md").read_text(encoding="utf-8")
CONTAINERS = ("files", "webdataset", "parquet")
NUM_ROWS = 200


def snippets() -> Iterator[tuple[str, str]]:
    """Each snippet of the readers' section with a container that it is for."""
    section = PAGE.split("\n## Readers\n")[1].split("\n## ")[0]
    for part in section.split("\n### ")[1:]:
        heading = part.partition("\n")[0]
        for code in re.findall(r"```python\n(.*?)```", part, re.DOTALL):
            for container in (heading,) if heading in CONTAINERS else CONTAINERS:
                yield container, code


def imports(code: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


def named(case: tuple[str, str]) -> str:
    kinds = imports(case[1]) - {"io", "glob", "json", "soundfile", "speechmill"}
    return f"{case[0]}-{'-'.join(sorted(kinds))}"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("readers")
    for container in CONTAINERS:
        (folder / container).mkdir()
        write_rows(open_storage(str(folder / container / "out")), container, NUM_ROWS)
    return {container: folder / container for container in CONTAINERS}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("container", "code"), [pytest.param(*case, id=named(case)) for case in snippets()])
def test_a_snippet_of_the_docs_reads_the_output(
    container: str, code: str, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed = imports(code) | ({"torchcodec"} if "load_dataset(" in code and container != "parquet" else set())
    for package in sorted(needed):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if "datasets" in needed:
        import datasets

        datasets.disable_progress_bars()
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(outputs[container])
    exec(compile(code, "docs/output.md", "exec"), {"__name__": "snippet", "count": NUM_ROWS - 1})
    gc.collect()  # here, where files that readers leave open are no errors
    gc.freeze()  # the next one need not look through what was there before


def test_all_readers_are_there() -> None:
    """Else an edited page could lose its tests in silence."""
    read = {container: set[str]() for container in CONTAINERS}
    for container, code in snippets():
        read[container] |= imports(code)
    common = {"datasets", "torch", "pandas", "duckdb"}
    assert read["files"] >= common | {"lhotse"}
    assert read["webdataset"] >= common | {"webdataset"}
    assert read["parquet"] >= common | {"pyarrow"}
