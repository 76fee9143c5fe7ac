"""The file of `--rows`: ids, one a line, or JSON lines with an id each.

Other columns of JSON lines are read over. Guaranteed: the whole file is read, or the line that is wrong is named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import SpecError


def read_ids(path: str) -> frozenset[str]:
    """The ids in a file.

    Raises:
        SpecError: The file cannot be read, or a line of it has no id
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SpecError(f"--rows {path} cannot be read: {error}") from error
    ids = frozenset(_id(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())
    if not ids:
        raise SpecError(f"--rows {path} names no row: give ids, one a line, or JSON lines with an id each")
    return ids


def _id(path: str, number: int, line: str) -> str:
    if not line.startswith("{"):
        return line.strip()
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"--rows {path}, line {number}: no JSON object: {error}") from error
    if not isinstance(row.get("id"), str):
        raise SpecError(f"--rows {path}, line {number}: it has no id that is text")
    return row["id"]
