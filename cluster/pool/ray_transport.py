"""Replicas that are actors of Ray: their calls, by Ray's own references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from .draining import draining_nodes


class RayTransport:
    """Calls of actors on the cluster that this process is connected to."""

    raised: type[Exception] = RayTaskError
    died: type[Exception] = RayError

    def share(self, value: object) -> Any:
        """See `Transport.share`."""
        return ray.put(value)

    def wait(self, references: Sequence[Any], timeout_s: float) -> list[Any]:
        """See `Transport.wait`."""
        asked = list(references)
        ready, _ = ray.wait(asked, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        return ready

    def answer(self, reference: Any) -> Any:
        """See `Transport.answer`."""
        return ray.get(reference)

    def draining(self) -> dict[str, float]:
        """See `Transport.draining`."""
        return draining_nodes()
