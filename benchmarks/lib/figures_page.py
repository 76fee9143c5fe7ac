"""The page of figures, `docs/figures.md`: a section for each benchmark, of which some may be replaced.

Pure: texts in, texts out. A section begins at a mark that names its benchmark, which no reader sees, and ends at the
next one. Not known here: which benchmarks there are, and how they are run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MARK = re.compile(r"^<!-- benchmark: (\w+) -->\n", re.MULTILINE)

_HEAD = """\
# Figures

What `python benchmarks/all.py` has measured: each section is one run of one benchmark, whose first lines say what is
compared. Sections may be of different days and machines; `--only NAME` replaces one.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a benchmark, as its section tells it.

    command   as a reader would type it
    date      of its end, YYYY-MM-DD
    tables    what was printed before `figures`
    """

    title: str
    command: str
    date: str
    tables: str
    figures: Mapping[str, Any]


def section_of(run: Run) -> str:
    """The text of a section, without its mark."""
    device, machine = run.figures.get("device", "cpu"), run.figures["machine"]
    hardware = machine if device in ("cpu", machine) else f"{device}, {machine}"
    tables = "\n".join(line.rstrip() for line in run.tables.strip("\n").splitlines())
    about = f"`{run.command}`, {hardware}, {run.date}"
    figures = json.dumps(run.figures, ensure_ascii=False)
    return f"## {run.title}\n\n{about}\n\n```text\n{tables}\n```\n\n```json\n{figures}\n```\n"


def sections_of(page: str) -> dict[str, str]:
    """The sections of a page by the names of their benchmarks."""
    _, *parts = _MARK.split(page)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}


def page_of(sections: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """The page: sections in the order of `titles`, and which are missing. One that has no title is left out."""
    missing = [f"- `{name}`: {title}" for name, title in titles.items() if name not in sections]
    parts = [_HEAD, "\n".join(["Missing, as they have not been run:", "", *missing, ""])] if missing else [_HEAD]
    parts += [f"<!-- benchmark: {name} -->\n{sections[name]}" for name in titles if name in sections]
    return "\n".join(parts)
