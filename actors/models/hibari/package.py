"""The package hibari-tts, of which weights, words and pronunciation are used, and its own synthesis is not.

That would load SciPy where it is installed: half a second of every process.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_loading = threading.Lock()


def hibari_package() -> ModuleType:
    """The package, imported; after that `from hibari.voices import …` costs nothing."""
    with _loading:
        if "hibari" in sys.modules or "scipy" in sys.modules:
            return importlib.import_module("hibari")
        modules: dict[str, Any] = sys.modules
        modules["scipy"] = None  # as if it were not installed: the package does without it then
        try:
            return importlib.import_module("hibari")
        finally:
            del modules["scipy"]
