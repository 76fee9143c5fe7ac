"""Which server the next request goes to, and when: a circuit for each server. Pure: the clock is an argument.

Guaranteed: a server gets no more requests at once than its limit, and none while it rests; a stream is a request up to
its first piece. The limit falls when the server is busy, and rises again by one for each round of good answers
(additive increase, multiplicative decrease, as in TCP's congestion control, RFC 5681). A server that failed several
times in a row is tried with one request at a time, after growing rests, and first with a probe: only that tells a
broken server from texts that no server can speak. Not known here: HTTP, rows, threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_REST_S = 30.0
_OPEN_AFTER = 3
"""Failures in a row after which a server rests."""
_SHRINK = 0.7


@dataclass(slots=True)
class _Circuit:
    """One server.

    Attributes:
        limit: The most requests at once, rounded down
        under_way: Requests that have no answer yet
        failures: In a row
        rests_until_s: When it may be asked again
        shrunk_s: When the limit was lowered last
        good_answers: How many there were
        is_doubted: The last failed request was a text, no probe
    """

    limit: float
    under_way: int = 0
    failures: int = 0
    rests_until_s: float = float("-inf")
    shrunk_s: float = float("-inf")
    good_answers: int = 0
    is_doubted: bool = False


class Circuits:
    """The servers of one replica.

    Args:
        num_servers: How many there are
        places: Requests that the replica has under way at once
        retry_s: The first rest of a server, in seconds
    """

    def __init__(self, num_servers: int, places: int, retry_s: float) -> None:
        self._places, self._retry_s = places, retry_s
        self._circuits = [_Circuit(float(places)) for _ in range(num_servers)]
        self._fault_since_s: float | None = None
        self._last_good_s = float("-inf")

    def begin(self, now_s: float, avoid: int | None = None) -> int | None:
        """The server that a request goes to now; None if none takes one. Every begun request has to end.

        Args:
            avoid: A server that has just failed for this row, taken only if there is no other
        """
        ready = [at for at, circuit in enumerate(self._circuits) if self._takes(circuit, now_s)]
        if not ready:
            return None
        chosen = min(ready, key=lambda at: (at == avoid, self._circuits[at].under_way, self._circuits[at].failures))
        self._circuits[chosen].under_way += 1
        return chosen

    def wait_s(self, now_s: float) -> float:
        """Seconds until a server's rest is over; 0 if none rests, so that only the end of a request is waited for."""
        return max(0.0, min(circuit.rests_until_s for circuit in self._circuits) - now_s)

    def end(self, server: int) -> None:
        """A request has ended without saying anything of its server."""
        self._circuits[server].under_way -= 1

    def good(self, server: int, now_s: float) -> None:
        """A request has brought audio, or a refusal of its text."""
        circuit = self._circuits[server]
        circuit.under_way -= 1
        circuit.failures, circuit.is_doubted = 0, False
        circuit.good_answers += 1
        circuit.limit = min(self._places, circuit.limit + 1 / circuit.limit)
        self._fault_since_s, self._last_good_s = None, now_s

    def failed(self, server: int, now_s: float, wait_s: float | None = None, *, is_probe: bool = False) -> None:
        """A request has failed. The server rests if it says so, or after a few failures in a row."""
        circuit = self._failure(server, now_s)
        circuit.is_doubted = not is_probe
        if wait_s is not None or circuit.failures >= _OPEN_AFTER:
            self._rest(circuit, now_s, circuit.failures - _OPEN_AFTER, wait_s)

    def busy(self, server: int, began_s: float, now_s: float, wait_s: float | None = None) -> None:
        """The server takes no request now. It rests, and gets fewer at once.

        Args:
            began_s: When the request began: answers to requests from before the last change are not counted again
            wait_s: Seconds that the server wants to be left alone
        """
        circuit = self._failure(server, now_s)
        circuit.is_doubted = False
        if began_s >= circuit.shrunk_s:
            circuit.limit = max(1.0, min(circuit.limit, circuit.under_way + 1) * _SHRINK)
            circuit.shrunk_s = now_s
        self._rest(circuit, now_s, circuit.failures - 1, wait_s)

    def is_doubted(self, server: int) -> bool:
        """Whether the next request to this server has to be a probe: several texts in a row have failed there."""
        circuit = self._circuits[server]
        return circuit.is_doubted and circuit.failures >= _OPEN_AFTER

    def silent_s(self, now_s: float) -> float:
        """Seconds since the first failure after which no server has given a good answer; 0 while all is well."""
        return 0.0 if self._fault_since_s is None else now_s - self._fault_since_s

    def has_answered_since(self, moment_s: float) -> bool:
        """Whether a server has given a good answer after that moment."""
        return self._last_good_s > moment_s

    def has_answered(self, server: int) -> bool:
        """Whether this server has ever given a good answer."""
        return self._circuits[server].good_answers > 0

    @property
    def limits(self) -> Sequence[int]:
        """The most requests at once, by server."""
        return [int(circuit.limit) for circuit in self._circuits]

    def _takes(self, circuit: _Circuit, now_s: float) -> bool:
        limit = 1 if circuit.failures >= _OPEN_AFTER else int(circuit.limit)
        return now_s >= circuit.rests_until_s and circuit.under_way < limit

    def _failure(self, server: int, now_s: float) -> _Circuit:
        circuit = self._circuits[server]
        circuit.under_way -= 1
        circuit.failures += 1
        if self._fault_since_s is None:
            self._fault_since_s = now_s
        return circuit

    def _rest(self, circuit: _Circuit, now_s: float, doublings: int, wait_s: float | None) -> None:
        own_s = min(self._retry_s * 2 ** max(0, min(doublings, 16)), MAX_REST_S)
        circuit.rests_until_s = max(circuit.rests_until_s, now_s + (own_s if wait_s is None else wait_s))
