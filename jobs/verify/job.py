"""Check `job.json` against itself: its hash, the fingerprint of its identity, and the specification that it is of.

Not known here: manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ...actors.records.keys import ROOT_KEY
from ..output.output_file import OutputFile

_ABSENT = object()


def job_faults(output: OutputFile) -> Iterator[str]:
    """Where `job.json` contradicts itself, a sentence each."""
    file, job = output.base.file, output.job
    if not file.is_intact:
        yield f"{ROOT_KEY} was changed after it was written; restore it, or start anew with --overwrite"
    if file.body.get("fingerprint") != job.identity.fingerprint:
        yield f"{ROOT_KEY}: its fingerprint is not that of its identity"
    for name, value in job.identity.keys.items():
        found = _at(job.spec, name)
        # What the specification left open, the identity has resolved.
        if found not in (_ABSENT, None, "", "auto") and found != value:
            yield f"{ROOT_KEY}: {name} is {found!r:.80} in the specification and {value!r:.80} in the identity"


def _at(spec: Mapping[str, Any], name: str) -> object:
    """The value of a key like "output.container"."""
    value: object = spec
    for piece in name.split("."):
        if not isinstance(value, Mapping) or piece not in value:
            return _ABSENT
        value = cast("Mapping[str, object]", value)[piece]
    return value
