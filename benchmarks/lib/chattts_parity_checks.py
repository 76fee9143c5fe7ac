"""How far apart two sides are, how far they may be, and the report of it: used by `chattts_parity.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import machine, show

SAME, HIDDEN, SOUND, MEL = 0.0, 1e-4, 1e-3, 1e-3
"""How far apart each kind may be."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table: what was compared, how much of it, how far apart it is, and how far it may be."""

    what: str
    of: str
    apart: float
    allowed: float

    @property
    def is_met(self) -> bool:
        """False, too, where a number is none."""
        return self.apart <= self.allowed


def unlike(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Share of the items, arrays or strings, that are not the same."""
    if len(ours) != len(theirs):
        return 1.0
    return sum(not np.array_equal(own, their) for own, their in zip(ours, theirs, strict=True)) / len(ours)


def apart(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Largest difference in any row over the root mean square of upstream's row; infinite for another shape."""
    found = [0.0]
    for own, their in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        if own.shape != their.shape:
            return float("inf")
        found.append(float(np.abs(own - their).max() / np.sqrt(np.square(their, dtype=np.float64).mean())))
    return float(np.max(found))  # numpy's maximum, unlike Python's, does not overlook what is no number


def report(checks: Sequence[Check], settings: dict[str, Any]) -> None:
    """One table, one JSON line."""
    rows = [[c.what, c.of, f"{c.apart:.2g}", f"{c.allowed:.2g}", "yes" if c.is_met else "NO"] for c in checks]
    figures = {check.what: {"of": check.of, "apart": check.apart, "allowed": check.allowed} for check in checks}
    about = {"machine": machine(), "torch": torch.__version__, "all_met": all(check.is_met for check in checks)}
    title = f"ChatTTS against chattts 0.2.5, {settings['layers']} layers, float32; {machine()}"
    show(title, ["compared", "of", "apart", "allowed", "met"], rows, settings | about | figures)
