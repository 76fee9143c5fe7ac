"""Everything that is asked of a bundle of objects, in one list."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from itertools import chain

from .pods import name_of
from .render import Doc
from .rules.flows import flow_errors
from .rules.jobs import job_errors
from .rules.pods import pod_errors
from .rules.ray import ray_errors
from .rules.references import reference_errors
from .rules.schemas import schema_errors
from .rules.values import value_errors

RULES = (ray_errors, pod_errors, reference_errors, flow_errors, job_errors)


def findings(docs: list[Doc]) -> list[str]:
    """What is wrong, in words; empty where nothing is. The rules are asked only of what the schemas let pass."""
    found = [error for doc in docs for error in shape_errors(doc)]
    return found or [error for rule in RULES for error in rule(docs)]


def shape_errors(doc: Doc) -> list[str]:
    """What is wrong with one object by itself: its identity, its keys, the types and forms of its values."""
    return list(_shape_errors(json.dumps(doc, sort_keys=True)))


def has_shape_errors(doc: Doc) -> bool:
    """Whether there is any. It looks no further than to the first."""
    return any(_each_shape_error(doc))


@functools.cache  # of the objects of a bundle, a fault changes one
def _shape_errors(text: str) -> list[str]:
    return list(_each_shape_error(json.loads(text)))


def _each_shape_error(doc: Doc) -> Iterator[str]:
    metadata = doc.get("metadata")
    if not isinstance(metadata, dict) or not (doc.get("apiVersion") and doc.get("kind") and metadata.get("name")):
        yield f"not a Kubernetes object with a name: {str(doc)[:200]}"
        return
    for error in chain(schema_errors(doc), value_errors(doc)):
        yield f"{name_of(doc)}: {error}"
