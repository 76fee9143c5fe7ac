"""What a replica is seen to be doing: records for displays and logs, without Ray."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...actors.replica.receipt import ReplicaProgress
from ...actors.replica.replica import ReplicaInfo


class ReplicaStatus(Enum):
    """Where a replica is in its life."""

    STARTING = "starting"
    SPEAKING = "speaking"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica, for a live display.

    rows_in_flight, audio_s_in_flight, cost_s_in_flight
                 what it has spoken and not yet handed in: rows, seconds of audio, estimated seconds of work

    Attributes:
        home: Its host and process, None until it is loaded
        since_s: Seconds since it came, or since it began with this shard
        expected_s: Seconds that the shard should take
        silent_s: Seconds since it was asked how far it is, without an answer
        still_s: Seconds since it was last seen to get on
        has_answered: Its process is there; before, it may wait for resources
        is_spoken: All its rows are spoken, and are being stored
        is_draining: Its node is going away: it gets nothing new
    """

    number: int
    home: ReplicaInfo | None
    status: ReplicaStatus
    shard_id: str
    progress: ReplicaProgress
    rows_in_flight: int
    audio_s_in_flight: float
    cost_s_in_flight: float
    since_s: float = 0.0
    expected_s: float = 0.0
    silent_s: float = 0.0
    still_s: float = 0.0
    has_answered: bool = True
    is_spoken: bool = False
    is_draining: bool = False
