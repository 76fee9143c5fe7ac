"""Ray's client of its job API, with an end to waiting: Ray's own waits for an answer without end.

Loads Ray, so it is imported only where a cluster is asked.
"""

from __future__ import annotations

from typing import Any

from ray.job_submission import JobSubmissionClient


class HeadClient(JobSubmissionClient):
    """The same, and a request that nothing answers raises an OSError."""

    def __init__(self, address: str, timeout_s: tuple[float, float]) -> None:
        """`timeout_s`: for a connection, and without a byte after it."""
        self._timeout_s = timeout_s
        super().__init__(address)

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        limited: dict[str, Any] = {"timeout": self._timeout_s, **options}
        return super()._do_request(method, endpoint, **limited)
