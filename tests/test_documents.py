"""What README and guides tell a reader to paste is pasted here: commands, snippets of Python, job files.

A block that needs more than a folder with a corpus says so in a comment right before it, `<!-- needs: a bucket -->`. It
is checked as far as it can be: options by the command line's own parser, Python by the compiler, YAML as a job file. A
fence of `text` holds nothing to paste. Each document has a folder of its own, in which its blocks run in their order.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from speechmill.jobs.cli.main import app
from speechmill.jobs.spec.job import JobSpec
from speechmill.jobs.spec.yaml_reader import parse_yaml

pytestmark = pytest.mark.integration  # it runs whole jobs

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(?:^<!-- needs: (?P<needs>[^>]+?) -->\n)?^```(?P<kind>\w*)\n(?P<content>.*?)^```$", re.M | re.S)
_COMMENT = re.compile(r"\s+#\s.*$")
_DEFAULTS = {"input": {"uri": "corpus.csv"}, "output": {"uri": "out/first"}}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `needs` is empty for one that can run here."""

    kind: str
    content: str
    needs: str


def blocks(page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        if found["kind"] != "text":
            yield Block(found["kind"], found["content"], found["needs"] or "")


def commands(content: str) -> Iterator[list[str]]:
    """The arguments of each call of speechmill."""
    for line in content.replace("\\\n", " ").splitlines():
        plain = _COMMENT.sub("", line).strip()
        found = re.match(r"(?:PYTHONPATH=examples )?(?:\.venv/bin/)?speechmill (.*)", plain)
        if found and not re.search(r"[<|$]", plain):
            yield [argument for argument in shlex.split(found[1]) if argument]


def parse(arguments: list[str]) -> None:
    """Let the command line's own parser read a command, which is not run."""
    main = typer.main.get_command(app)
    with main.make_context("speechmill", list(arguments), resilient_parsing=False) as context:
        name, command, rest = main.resolve_command(context, context._protected_args + context.args)  # type: ignore[attr-defined]
        assert command is not None, name
        command.make_context(name, rest, parent=context)


def job_files(content: str) -> None:
    """Load a job file, or each of several lines that are alternatives."""
    keys = re.findall(r"^(\w+):", content, re.M)
    parts = content.splitlines() if len(set(keys)) < len(keys) else [content]
    for part in parts:
        values = parse_yaml(part)
        JobSpec.parse({**_DEFAULTS, **values})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader may stand: the configurations, a short demo corpus, a corpus, a job file."""
    for name in ("configs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    demo = (ROOT / "configs" / "demo.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "configs" / "demo.csv").write_text("".join(demo[:6]), encoding="utf-8")
    (tmp_path / "corpus.csv").write_text("id,text\na,One two.\nb,Three four.\n", encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "job.yaml").write_text(json.dumps(_DEFAULTS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "examples"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_pasted(page: str, folder: Path, hosted_replicas: None) -> None:
    """Replicas are in threads; `test_examples.py` runs a job like the README's with processes."""
    for block in blocks(page):
        if block.kind == "yaml":
            job_files(block.content)
            if named := re.match(r"# (\w+\.yaml)", block.content):
                (folder / named[1]).write_text(block.content, encoding="utf-8")
        elif block.kind == "json":
            for line in block.content.splitlines():
                json.loads(line)
        elif block.kind == "python":
            code = compile(block.content, page, "exec")
            if not block.needs:
                exec(code, {"__name__": "pasted"})
        elif block.needs:
            for arguments in commands(block.content):
                parse(arguments)
        else:
            lines = list(commands(block.content))
            others = [line for line in block.content.splitlines() if "speechmill" not in line]
            assert lines or others, f"{page}: a block without a command; a fence of `text`?"
            assert all(re.match(r"make |\. ", line) for line in others), f"{page}: {others} need a marker"
            for arguments in lines:
                ended = CliRunner().invoke(app, arguments)
                assert ended.exit_code == 0, f"{page}: speechmill {arguments}: {ended.output}"


def test_pages_have_blocks_that_run_and_say_what_the_others_need(capsys: pytest.CaptureFixture[str]) -> None:
    found = [block for page in PAGES for block in blocks(page)]
    assert len(found) > 30
    skipped = Counter(block.needs for block in found if block.needs)
    with capsys.disabled():
        print(f"\n{len(found) - skipped.total()} blocks of {len(PAGES)} pages ran, {skipped.total()} need:", end=" ")
        print("; ".join(f"{need} ({count})" for need, count in sorted(skipped.items())), file=sys.stdout)
    assert skipped.total() < len(found) * 2 / 3


def test_what_the_demo_prints_at_its_end_is_what_the_readme_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text[text.index("<!-- after the demo -->") :]
    assert block.splitlines()[2].startswith(". .venv/bin/activate")
    assert "/^<!-- after the demo -->/,/^speechmill verify/p" in (ROOT / "Makefile").read_text(encoding="utf-8")
