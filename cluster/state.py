"""What a replica is seen to be doing: records for displays and logs, without Ray."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..actors.receipt import ReplicaProgress
from ..actors.replica import Home


class ReplicaStatus(Enum):
    """Where a replica is in its life."""

    STARTING = "starting"
    SPEAKING = "speaking"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica, for a live display.

    home     its host and process, None until it is loaded
    rows_in_flight, audio_s_in_flight, cost_s_in_flight
             what it has spoken and not yet handed in: rows, seconds of audio, estimated seconds of work
    """

    number: int
    home: Home | None
    status: ReplicaStatus
    shard_id: str
    progress: ReplicaProgress
    rows_in_flight: int
    audio_s_in_flight: float
    cost_s_in_flight: float
