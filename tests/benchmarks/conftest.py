"""Programs of `benchmarks/` in the process of the tests, where a process of its own would only cost its imports."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import speechmill

FOLDER = Path(speechmill.__file__).parent / "benchmarks"

Program = Callable[[str], ModuleType]


@pytest.fixture
def program() -> Iterator[Program]:
    """A program of the folder as a module, by its name.

    The programs import their siblings by bare names, such as `common` or `text`; these are forgotten after the test.
    """
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look for it
        spec.loader.exec_module(module)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield load
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(FOLDER)) or name == "lib":
            del sys.modules[name]
