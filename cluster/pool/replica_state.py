"""The observed state of a replica: records for displays and logs, without Ray."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...actors.replica.receipt import ReplicaProgress
from ...actors.replica.replica import ReplicaInfo


class ReplicaStatus(Enum):
    """The phase of a replica."""

    STARTING = "starting"
    SPEAKING = "speaking"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica, for a live display.

    Attributes:
        home: Host and process; None until the replica is loaded
        rows_in_flight, audio_s_in_flight, cost_s_in_flight: Rows, seconds of audio and estimated seconds of work that
            are spoken and not handed in yet
        since_s: Seconds since the replica came, or since it began with this shard
        expected_s: Seconds that the shard should take
        silent_s: Seconds since an unanswered call
        still_s: Seconds since its last progress
        has_answered: Its process has started; before, it may wait for resources
        is_spoken: All rows of the shard are spoken and are being stored
        is_draining: Its node is going away, so it gets no new task
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
