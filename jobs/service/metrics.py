"""What the service counts, as calls that do nothing; a subclass reports the figures.

The calls come from the event loop, one at a time. They must be quick and must not raise.
"""

from __future__ import annotations


class Metrics:
    """Counters, gauges and times of the service; this one keeps none."""

    def answered(self, status: int) -> None:
        """A request has ended with this status; 499 for a client that left before its answer began."""

    def first_audio(self, seconds: float) -> None:
        """So long after the request its first audio was sent."""

    def audio(self, seconds: float) -> None:
        """So much audio was spoken for a request, whole or broken off."""

    def speaking(self, count: int) -> None:
        """So many are spoken to now."""

    def waiting(self, count: int) -> None:
        """So many wait for their turn now."""

    def cancelled(self) -> None:
        """A client left before its speech was whole, or took nothing for too long."""
