"""How a pool reaches its replicas, whatever they are: actors of Ray (`ray_transport.py`) or processes (`processes/`).

A call of a replica gives a reference to its answer. Not known here: what is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Transport(Protocol):
    """The calls of the replicas of one source.

    Attributes:
        raised: Errors of `answer` for a call that raised in its replica. `cause` of such an error is what was raised.
            Errors of a job or a run are instances of their own class, too
        died: Errors of `answer` for a replica that cannot answer any more
    """

    @property
    def raised(self) -> type[Exception]: ...

    @property
    def died(self) -> type[Exception]: ...

    def share(self, value: object) -> Any:
        """An argument of many calls, sent as few times as possible."""
        ...

    def wait(self, references: Sequence[Any], timeout_s: float) -> list[Any]:
        """Wait until an answer is there, at most `timeout_s`: the references to all answers that are."""
        ...

    def answer(self, reference: Any) -> Any:
        """An answer that is there. Raises the errors of `raised` and `died`, and those of a job or a run."""
        ...

    def draining(self) -> dict[str, float]:
        """The nodes that are going away, and the seconds left to each."""
        ...
