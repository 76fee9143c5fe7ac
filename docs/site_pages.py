"""What `make docs` adds to the guides: the README as the first page, and a page of the API for each folder of the code.

`API_PAGES` in the environment names the folders that get one, dotted and with spaces between; all of them without it.
A link to a file that is no page (a configuration, a folder of the repository) becomes that file's name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "build" / "api" / "speechmill"
"""The package under its name, for the reader of docstrings, without tests, benchmarks and environments."""
ROOMS = ("actors", "cluster", "jobs")
REPOSITORY_PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
_SHOWN = (".md", ".svg", ".mp3")
"""Files below docs/ that the site has, too."""
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_startup(*, command: str, dirty: bool) -> None:
    """Lay the package where mkdocstrings looks for it."""
    PACKAGE.mkdir(parents=True, exist_ok=True)
    for name in (*ROOMS, "errors.py", "__init__.py"):
        link = PACKAGE / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for name, page in REPOSITORY_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    wanted = os.environ.get("API_PAGES", "").split()
    for folder, modules in sorted(_modules().items()):
        if wanted and folder not in wanted:
            continue
        text = f"# {folder}\n\n" + "\n".join(f"::: speechmill.{module}\n" for module in sorted(modules))
        files.append(File.generated(config, f"api/{folder}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at pages of the site."""
    sources = {made: name for name, made in REPOSITORY_PAGES.items()}
    return linked(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"), markdown)


def linked(source: str, markdown: str) -> str:
    """The text of a file of the repository, with its links as they are in the site."""
    here = PurePosixPath(source).parent

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        file = _plain(here / target)
        if file in REPOSITORY_PAGES:
            return f"[{text}]({REPOSITORY_PAGES[file]}{anchor})"
        if file.startswith("docs/") and PurePosixPath(file).suffix in _SHOWN:
            return f"[{text}]({file.removeprefix('docs/')}{anchor})"
        if not (ROOT / file).exists():
            return found[0]  # and mkdocs says that it leads nowhere
        return text if file in text else f"{text} (`{file}`)"

    return _LINK.sub(link, markdown)


def _plain(path: PurePosixPath) -> str:
    """The path without its `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts[-1:] = []
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _modules() -> dict[str, list[str]]:
    """Public modules by their folder, both dotted."""
    pages = {"speechmill": ["errors"]}
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            if not any(part.startswith("_") and part != "__init__" for part in parts):
                module = ".".join(part for part in parts if part != "__init__")
                pages.setdefault(".".join(parts[:-1]), []).append(module)
    return pages
