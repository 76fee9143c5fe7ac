"""One attempt at a task, from its sending to its answer: what a trace shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """Times are of one monotonic clock, in seconds.

    Attributes:
        outcome: "spoken"; "copy", spoken by a second replica that came first; "second", spoken in vain after another;
            "handed back", spoken in part because the node goes away; "dropped" before it was spoken; "died" with its
            replica
        home: Host and process of the replica
    """

    replica: int
    home: str
    shard_id: str
    part: str
    num_rows: int
    began_s: float
    ended_s: float
    outcome: str
