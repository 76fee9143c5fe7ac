"""The tables of a language: tab-separated files in `data/`, with comments, that need no knowledge of the code.

Guaranteed: a file that does not hold its columns is refused by its name and line. Files are read once.
Not known here: what the columns mean.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"


@cache
def read_table(name: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table, such as "en/units", each as wide as its header; the header itself is left out."""
    rows: list[tuple[str, ...]] = []
    width = 0
    for number, line in enumerate((_DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines(), 1):
        if not line or (line.startswith("#") and not line.startswith("#\t")):
            continue
        fields = tuple(line.split("\t"))
        if not width:
            width = len(fields)
            continue
        if len(fields) > width:
            raise ValueError(f"{name}.tsv, line {number}: {len(fields)} fields where the header has {width}")
        rows.append(fields + ("",) * (width - len(fields)))
    return tuple(rows)
