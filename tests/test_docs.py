"""The site of guides and API builds without a warning: every link leads somewhere, every docstring can be read."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.statements import statements

ROOT = Path(__file__).parent.parent


@pytest.mark.integration
@pytest.mark.parametrize("folders", ["jobs actors.models", pytest.param("", marks=pytest.mark.soak, id="all")])
def test_the_site_builds_without_a_warning_and_has_the_guides_and_the_api(tmp_path: Path, folders: str) -> None:
    built = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "API_PAGES": folders},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    site = tmp_path / "site"
    assert "make demo" in (site / "index.html").read_text()
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} < {page.stem for page in site.glob("*.html")}
    assert 'id="speechmill.jobs.api.Job.run"' in (site / "api" / "jobs.html").read_text()
    assert 'id="speechmill.actors.models.base.Model.speak"' in (site / "api" / "actors.models.html").read_text()
    assert not list(site.rglob("*.py"))


def test_a_link_out_of_the_docs_becomes_a_name_and_one_into_them_a_page() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from site_pages import linked
    finally:
        sys.path.pop(0)
    assert linked("README.md", "see [the job](docs/job.md#keys)") == "see [the job](job.md#keys)"
    assert linked("docs/job.md", "see [all](../README.md) and [k8s/](../k8s)") == "see [all](index.md) and k8s/"
    assert linked("docs/job.md", "see [it](../configs/demo.yaml)") == "see it (`configs/demo.yaml`)"
    kept = "[x](https://example.org), [y](#here) and [z](../nowhere.md)"
    assert linked("docs/job.md", kept) == kept


_SENTENCE = re.compile(r"(^|[.:;`)] )Raises [A-Z`]", re.M)
_COLUMN = re.compile(r"^[a-z_]\w*(, [a-z_]\w*)* {2,}\S", re.M)


@pytest.mark.parametrize("room", ["actors", "cluster", "jobs", "errors.py"])
def test_docstrings_have_googles_sections(room: str) -> None:
    """Arguments, attributes and errors stand where tools look for them."""
    path = ROOT / room
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        for node in statements(ast.parse(file.read_text(encoding="utf-8")).body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                assert not _SENTENCE.search(text), f"{file}:{node.lineno} {node.name}: give it a section Raises"
                assert not _COLUMN.search(text), f"{file}:{node.lineno} {node.name}: give it a section Args"
