"""Kubernetes quantities as numbers."""

from __future__ import annotations

import re

_SUFFIXES = {"": 1.0, "m": 1e-3, "k": 1e3} | {
    f"{prefix}{binary}": float((1024 if binary else 1000) ** power)
    for power, prefix in enumerate("KMGTPE", start=1)
    for binary in ("i", "")
    if f"{prefix}{binary}" != "K"
}


def amount(quantity: str | int | float) -> float:
    """Bytes, cores or pieces.

    amount("500m") is 0.5, amount("1Gi") is 2**30.

    Raises:
        ValueError: The value is none that is allowed
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]*)", str(quantity))
    if found is None or found[2] not in _SUFFIXES or isinstance(quantity, bool):
        raise ValueError(f"{quantity!r} is not a quantity")
    return float(found[1]) * _SUFFIXES[found[2]]
