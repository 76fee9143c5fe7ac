"""A job file made ready to be read elsewhere: what it names has to mean the same in the cluster.

Guaranteed: every path that is sent is absolute or a URI, and only keys that the user set are sent (a column that a job
names has to be there, a default need not). `JobSpec` lets no credentials in. Not known here: Ray.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...actors.models.registry import MODELS, model_class
from ...errors import SpecError
from ..spec.job import JobSpec

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A job to be sent.

    Attributes:
        job: The job file as plain values, the driver's cluster being the one it stands in.
        notes: What the user should know, a line each.
    """

    spec: JobSpec
    job: dict[str, Any]
    notes: tuple[str, ...]


def request_of(spec: JobSpec, sees_files: Callable[[], bool]) -> SubmissionRequest:
    """Check what can be checked here, and make paths absolute.

    Args:
        spec: The job.
        sees_files: Whether all nodes are this machine; asked only about a job that names local files.

    Raises:
        SpecError: A key means something else in the cluster.
        ModelError: There is no such model.
    """
    if ":" not in spec.model.name and spec.model.name not in MODELS:
        model_class(spec.model.name)  # raises, with the nearest name
    job = _plain(spec)
    job["cluster"] = {**job.get("cluster", {}), "address": "auto"}
    local = [(key, uri) for key, uri in _uris(spec) if _is_local(uri)]
    near = [(key, url) for key, url in [*_endpoints(spec), *_urls(spec)] if urlsplit(url).hostname in LOOPBACK]
    if not (local or near):
        return SubmissionRequest(spec, job, ())
    if not sees_files():
        for key, url in near:
            raise SpecError(f"{key} {url} is this machine, and the cluster has others: name it as they reach it")
        for key, path in local:
            _refuse_relative(key, path)
        return SubmissionRequest(
            spec, job, tuple(f"{key} {path}: has to be the same folder on all nodes" for key, path in local)
        )
    _make_absolute(job)
    return SubmissionRequest(spec, job, ())


def _plain(spec: JobSpec) -> dict[str, Any]:
    try:
        json.dumps(spec.model.options)
    except (TypeError, ValueError) as error:
        raise SpecError(f"model.options: {error}; use text, numbers, true, false, lists and maps") from error
    return spec.model_dump(mode="json", exclude_unset=True)


def id_of(name: str, wanted: str | None, suffix: str) -> str:
    """The job's id: the wanted one, or its name with `suffix`.

    Raises:
        SpecError: For one that a URL cannot hold
    """
    if wanted is None:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "speechmill"
        return f"{slug}-{suffix}"
    if not _ID.fullmatch(wanted):
        raise SpecError(f"--id {wanted!r}: use at most 100 letters, digits, and . _ -, a letter or digit first")
    return wanted


def _uris(spec: JobSpec) -> Generator[tuple[str, str]]:
    yield from (("input.uri", uri) for uri in ([spec.input.uri] if isinstance(spec.input.uri, str) else spec.input.uri))
    if spec.model.path is not None:
        yield "model.path", spec.model.path
    yield "output.uri", spec.output.uri


def _endpoints(spec: JobSpec) -> Generator[tuple[str, str]]:
    for key, s3 in (("input.s3.endpoint_url", spec.input.s3), ("output.s3.endpoint_url", spec.output.s3)):
        if s3.endpoint_url is not None:
            yield key, s3.endpoint_url


def _urls(spec: JobSpec) -> Generator[tuple[str, str]]:
    yield from ((key, uri) for key, uri in _uris(spec) if uri.startswith(("http://", "https://")))


def _is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file:")


def _refuse_relative(key: str, path: str) -> None:
    if not path.startswith(("/", "file:///")):
        raise SpecError(
            f"{key} {path} is relative to this folder, which the cluster does not have: write s3://, or the whole path "
            "of a folder that all nodes share"
        )


def _make_absolute(job: dict[str, Any]) -> None:
    source = job["input"]
    uris = source["uri"]
    source["uri"] = [_absolute(uri) for uri in uris] if isinstance(uris, list) else _absolute(uris)
    job["output"]["uri"] = _absolute(job["output"]["uri"])
    if job.get("model", {}).get("path") is not None:
        job["model"]["path"] = os.path.abspath(job["model"]["path"])  # noqa: PTH100  # as it is: `~` is not expanded


def _absolute(uri: str) -> str:
    return os.path.abspath(os.path.expanduser(uri)) if "://" not in uri else uri  # noqa: PTH100, PTH111  # may be a glob
