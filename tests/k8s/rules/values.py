"""Values that the schemas take for any text, and of which Kubernetes knows only some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..render import Doc
from .quantities import amount

ALLOWED: dict[str, tuple[str, ...]] = {
    "operator": ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Equal"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "protocol": ("TCP", "UDP"),
    "restartPolicy": ("Never", "OnFailure", "Always"),
    "imagePullPolicy": ("IfNotPresent", "Always", "Never"),
    "medium": ("Memory",),
}
LISTED: dict[str, tuple[str, ...]] = {
    "policyTypes": ("Ingress", "Egress"),
    "accessModes": ("ReadWriteMany",),
    "coveredResources": ("cpu", "memory", "nvidia.com/gpu"),
}
SIZES = ("sizeLimit", "storage", "nominalQuota")
AMOUNTS = (".limits", ".requests")


def value_errors(doc: Doc) -> Iterator[str]:
    """Values that Kubernetes does not know, wherever they stand; and empty ones, which the API server drops."""
    for path, key, value in _walk(doc, ""):
        allowed = ALLOWED.get(key) or LISTED.get(key)
        given = value if isinstance(value, list) else [value]
        if allowed and not set(map(str, given)) <= set(allowed):
            yield f"{path}: {value} is none of {', '.join(allowed)}"
        if value is None:
            yield f"{path} is empty"
        is_amount = not isinstance(value, dict) and path.removesuffix(f".{key}").endswith(AMOUNTS)
        if (key in SIZES or is_amount) and not _is_quantity(value):
            yield f"{path}: {value} is not a quantity"


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield f"{path}.{key}", str(key), inner
        yield from _walk(inner, f"{path}.{key}")


def _is_quantity(value: Any) -> bool:
    try:
        return amount(value) > 0
    except ValueError:
        return False
