"""All machines of the protocol: they are values, and need nothing else. The whole: `test_interleavings`."""

from __future__ import annotations

import ast
import pickle
import sys
from pathlib import Path

import pytest

from speechmill.cluster.commit import protocol
from speechmill.cluster.commit.claimed_run import Commit
from speechmill.cluster.commit.claims import begin, resume
from speechmill.cluster.commit.protocol import Machine
from speechmill.cluster.commit.read import Read
from speechmill.cluster.commit.sweep import Sweep

from .examples import OPEN

MODULES = {
    *("names", "adoptions", "root", "operations", "state", "protocol"),
    *("write_root", "claims", "claimed_run", "sweep", "read"),
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_protocol_imports_the_standard_library_alone(module: str) -> None:
    """And errors, keys, and what manifests are called: it can be read, and explored, without anything else."""
    tree = ast.parse((Path(protocol.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name in sys.stdlib_module_names for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).split(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.module in MODULES | {"errors", "actors.records.part_name", "actors.records.keys"}


def test_machines_are_values() -> None:
    """They can be kept, compared and sent; a request stands until it is answered."""
    machines: list[Machine] = [
        begin(None, "J", tag="5f3a", nonce="n"),
        resume(OPEN, "J", nonce="n"),
        Commit(("audio/a",), (("k", b"v"),)),
        Sweep.of(OPEN.file.root, ("audio/",)),
        Read(OPEN),
    ]
    for machine in machines:
        assert machine.request == machine.request
        assert pickle.loads(pickle.dumps(machine)) == machine
        assert len({machine, pickle.loads(pickle.dumps(machine))}) == 1
