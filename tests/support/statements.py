"""The statements of a program, without its expressions, of which there are ten times as many."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence


def statements(block: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The statements of a block and those inside of them: imports, classes and functions are nowhere else."""
    for node in block:
        yield node
        for name in ("body", "orelse", "handlers", "finalbody", "cases"):
            yield from statements(getattr(node, name, ()))
