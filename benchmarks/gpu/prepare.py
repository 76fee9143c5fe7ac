"""Writes the random weights, so that no section has to: some gigabytes, kept for the next run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .weights import Bench


def run(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Seconds by model."""
    for name, write in (
        ("chattts", bench.chattts_folder),
        ("kokoro", bench.kokoro_folder),
        ("f5tts", bench.f5tts_folder),
    ):
        began = time.perf_counter()
        write()
        yield name, time.perf_counter() - began
