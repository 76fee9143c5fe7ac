"""The checks themselves: faults planted into the files of k8s/, each of which has to be found.

Each fault takes a run of kustomize: `make test` plants one in every file, `make soak` all of them. Keys are misspelt in
memory, all of them everywhere.
"""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .check import RULES, findings, has_shape_errors
from .conftest import Change
from .faults import FAULTS
from .render import K8S, OVERLAYS, Doc, RenderError, render

pytestmark = pytest.mark.integration

NOT_IN_AN_OVERLAY = {
    "components/s3-irsa/kustomization.yaml",
    "components/model-cache/kustomization.yaml",
    "components/model-cache/claim.yaml",
}
"""What is taken in by hand; test_overlays does."""


_FIRST = {path: fault for path, *fault in reversed([(fault[1], *fault) for fault in FAULTS])}
"""By file, the first of its faults."""
CASES = [pytest.param(*fault, marks=[] if _FIRST[fault[1]] == list(fault) else [pytest.mark.soak]) for fault in FAULTS]


@pytest.mark.parametrize(("name", "path", "old", "new"), CASES, ids=lambda text: " ".join(text.split())[:40])
def test_a_planted_fault_is_found(name: str, path: str, old: str, new: str, copy: Path, change: Change) -> None:
    change(path, old, new)
    try:
        docs = render(copy / "overlays" / name)
    except RenderError:
        return  # kustomize has found it
    assert findings(docs)


def test_there_is_a_fault_for_every_file() -> None:
    files = {str(path.relative_to(K8S)) for path in K8S.rglob("*.yaml")}
    assert files - NOT_IN_AN_OVERLAY == {path for _, path, _, _ in FAULTS}


def test_every_misspelt_key_is_found(overlay: Callable[[str], list[Doc]]) -> None:
    seen: set[str] = set()
    for docs in map(overlay, OVERLAYS):
        for index, doc in enumerate(docs):
            for path, mapping in _keys(doc, ()):
                # What stands in several pods or overlays, word for word, is changed in one of them.
                if (same := f"{path[-1]} of {mapping}") in seen:
                    continue
                seen.add(same)
                changed = _misspelt(doc, path)
                bundle = [*docs[:index], changed, *docs[index + 1 :]]
                is_found = has_shape_errors(changed) or any(error for rule in RULES for error in rule(bundle))
                assert is_found, (doc["kind"], doc["metadata"]["name"], path)
    assert len(seen) > 500


def _misspelt(doc: Doc, path: tuple[Any, ...]) -> Doc:
    """The object with another key. What is beside the path is shared, and not checked anew."""
    changed = copying.copy(doc)
    parent: Any = changed
    for step in path[:-1]:
        parent[step] = copying.copy(parent[step])
        parent = parent[step]
    parent[f"{path[-1]}x"] = parent.pop(path[-1])
    return changed


def _keys(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Doc]]:
    """Where each key stands, and the mapping that it is a key of."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if isinstance(value, dict):
            yield (*path, key), value
        yield from _keys(inner, (*path, key))
