"""The settings of a job's quality gate, as its replicas get them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..judges.base import JudgeConfig, JudgeInfo

DEAR_S = 0.005
"""A judge that costs as many CPU seconds per second of audio is dear: `share` and `place` hold for dear ones only."""


@dataclass(frozen=True, slots=True)
class GatePlace:
    """Where dear judges run. Cheap ones run in the replica always.

    Attributes:
        where: "replica", or "actors": processes of their own, on the replica's node
        cpus, gpus: What each actor holds
        actors: Actors on each node
        timeout_s: A judge that has not answered after so many seconds is replaced
    """

    where: Literal["replica", "actors"] = "replica"
    cpus: float = 1.0
    gpus: float = 0.0
    actors: int = 1
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class GateConfig:
    """A quality gate.

    Attributes:
        judges: In the order in which they are asked
        infos: What each judge is, in the same order
        attempts: The most attempts at a row, the first one included
        keeps_rejected: Whether the best attempt of a row that never passes is stored; else the row fails
        keeps_unheard: Whether a clip that no judge rejects and some judge cannot judge is stored; else its row fails
        share: Of the rows, by the hash of their ids, those that dear judges are asked about
    """

    judges: tuple[JudgeConfig, ...]
    infos: tuple[JudgeInfo, ...]
    attempts: int = 1
    keeps_rejected: bool = False
    keeps_unheard: bool = True
    share: float = 1.0
    place: GatePlace = field(default_factory=GatePlace)


def is_dear(info: JudgeInfo) -> bool:
    """Whether a judge costs enough to be asked about a share of the rows only, or elsewhere."""
    return info.cost_s >= DEAR_S
