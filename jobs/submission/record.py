"""A job as the head knows it, and the labels by which speechmill knows its own. Pure.

Labels are seen by everyone who may look at the cluster: they hold names and places, never a value of the environment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ..spec.job import JobSpec

_VERSION = "speechmill"
_OUTPUT = "speechmill.output"
_FINGERPRINT = "speechmill.fingerprint"
_NAME = "job_name"
"""Ray's own key for it: the dashboard shows it."""

OVER = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})


def labels_of(spec: JobSpec, job: Mapping[str, Any], version: str) -> dict[str, str]:
    """The labels of a job: name, output, speechmill's version, and a digest of the job file as it is sent."""
    digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
    return {_VERSION: version, _NAME: spec.name, _OUTPUT: job["output"]["uri"], _FINGERPRINT: digest}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job of speechmill on a head, as of one look.

    Attributes:
        status: Ray's: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        version: The version of speechmill where it was sent from.
        fingerprint: 64 hexadecimal digits; the same for the same job file.
        started_s: Seconds since 1970, as `ended_s`; 0 before.
        exit_code: The driver's; None until it ended by itself.
        message: Ray's words on the status.
    """

    id: str
    status: str
    name: str
    output: str
    version: str
    fingerprint: str
    started_s: float
    ended_s: float
    exit_code: int | None
    message: str

    @classmethod
    def of(cls, details: Any) -> Self | None:
        """From Ray's `JobDetails`; None if speechmill did not send it."""
        labels = details.metadata or {}
        if details.submission_id is None or _VERSION not in labels:
            return None
        return cls(
            id=details.submission_id,
            status=details.status.value,
            name=labels.get(_NAME, ""),
            output=labels.get(_OUTPUT, ""),
            version=labels[_VERSION],
            fingerprint=labels.get(_FINGERPRINT, ""),
            started_s=(details.start_time or 0) / 1000,
            ended_s=(details.end_time or 0) / 1000,
            exit_code=details.driver_exit_code,
            message=details.message or "",
        )

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    def writes(self, output: str) -> bool:
        """Whether it is under way and writes this output."""
        return not self.is_over and self.output.rstrip("/") == output.rstrip("/")
