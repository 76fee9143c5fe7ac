"""The file of `--rows`: ids, one a line, or JSON lines with an id each, and maybe a seed.

Other keys are read over. Guaranteed: the whole file is read, or the line that is wrong is named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...actors.records.record_fields import MAX_NUMBER
from ...errors import SpecError


def read_rows(path: str) -> dict[str, int | None]:
    """The ids in a file, each with the seed that its row is to be spoken with, if the file gives one.

    Raises:
        SpecError: The file cannot be read, or a line of it has no id or no possible seed
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SpecError(f"--rows {path} cannot be read: {error}") from error
    rows = dict(_row(f"--rows {path}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip())
    if not rows:
        raise SpecError(f"--rows {path} names no row: give ids, one a line, or JSON lines with an id each")
    return rows


def _row(where: str, line: str) -> tuple[str, int | None]:
    if not line.startswith("{"):
        return line.strip(), None
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where}: no JSON object: {error}") from error
    name, seed = row.get("id"), row.get("seed")
    if not isinstance(name, str):
        raise SpecError(f"{where}: id is {name!r:.80}; it has to be text")
    if seed is not None and not (type(seed) is int and 0 <= seed < MAX_NUMBER):
        raise SpecError(f"{where}: seed is {seed!r:.80}; it has to be a whole number from 0 to 2**63 - 1")
    return name, seed
