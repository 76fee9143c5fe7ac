"""The record of one attempt at a task, from its sending to its answer; traces show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """One attempt. Times are in seconds of one monotonic clock.

    Attributes:
        home: Host and process of the replica
        outcome: "spoken": it counts. "copy": it was a second attempt and counts, because it ended first. "second":
            another attempt ended first. "handed back": spoken in part, because the node goes away. "dropped": ended
            before it was spoken. "died": its replica died
    """

    replica: int
    home: str
    shard_id: str
    part: str
    num_rows: int
    began_s: float
    ended_s: float
    outcome: str
