"""The metrics of the service. The calls of this class do nothing; a subclass reports the figures.

The event loop makes the calls, one at a time. They must be quick and must not raise.
"""

from __future__ import annotations


class Metrics:
    """Counters, gauges and times of the service; this one keeps none."""

    def answered(self, status: int) -> None:
        """Count a request by its status; 499: the client left before the answer began; 101: a WebSocket was opened."""

    def first_audio(self, seconds: float) -> None:
        """Record the seconds from a request to its first audio."""

    def audio(self, seconds: float) -> None:
        """Record the seconds of audio made for a request, whole or broken off."""

    def speaking(self, count: int) -> None:
        """Set the number of streams that are spoken now."""

    def waiting(self, count: int) -> None:
        """Set the number of requests that wait for their turn now."""

    def connected(self, count: int) -> None:
        """Set the number of WebSockets that are open now."""

    def cancelled(self) -> None:
        """Count a client that left before its speech was whole, or took no data for too long."""
