"""What a quality gate did: sums over clips and rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class GateStats:
    """Counts of judged clips, and of rows by how they ended.

    Attributes:
        num_judged: Clips that were judged, all attempts together
        num_attempts: Those of rows that have ended
        passed: Rows that passed, by the attempt that did: the first attempt first
        num_rejected: Rows of which no attempt passed, stored or failed
        num_alike: Those of them whose attempts were all heard alike: the text or the ear, not the speech
        num_unheard: Rows that no judge rejected and some judge could not judge
        rejections: Clips by judge and kind of reason, as in "signal gap"
        unheard: Clips by the judge that could not judge them
        vain_s: Seconds of audio that were rejected and are not stored
        judge_s, judged_audio_s: Seconds that each judge took, and seconds of audio that it was given
    """

    num_judged: int = 0
    num_attempts: int = 0
    passed: Sequence[int] = ()
    num_rejected: int = 0
    num_alike: int = 0
    num_unheard: int = 0
    rejections: dict[str, int] = field(default_factory=dict)
    unheard: dict[str, int] = field(default_factory=dict)
    vain_s: float = 0.0
    judge_s: dict[str, float] = field(default_factory=dict)
    judged_audio_s: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: GateStats) -> GateStats:
        """The sums."""
        if not other.num_judged and not other.num_rows:
            return self
        return GateStats(
            self.num_judged + other.num_judged,
            self.num_attempts + other.num_attempts,
            tuple(one + two for one, two in zip_longest(self.passed, other.passed, fillvalue=0)),
            self.num_rejected + other.num_rejected,
            self.num_alike + other.num_alike,
            self.num_unheard + other.num_unheard,
            _sum(self.rejections, other.rejections),
            _sum(self.unheard, other.unheard),
            self.vain_s + other.vain_s,
            _sum(self.judge_s, other.judge_s),
            _sum(self.judged_audio_s, other.judged_audio_s),
        )

    @property
    def num_rows(self) -> int:
        """Rows that have ended."""
        return sum(self.passed) + self.num_rejected + self.num_unheard

    @property
    def mean_attempts(self) -> float:
        """Attempts of a row that has ended; 1 before the first. Rows that have not ended would make it too large."""
        return self.num_attempts / self.num_rows if self.num_rows else 1.0

    @property
    def costs(self) -> dict[str, float]:
        """Seconds that each judge takes per second of audio."""
        return {
            name: seconds / self.judged_audio_s[name]
            for name, seconds in self.judge_s.items()
            if self.judged_audio_s.get(name)
        }


NO_GATE = GateStats()


def kind_of(judge: str, reason: str) -> str:
    """A judge and the kind of its reason, its first word: "signal gap" for "gap 1.43 s > 1.2 s"."""
    return f"{judge} {reason.split(maxsplit=1)[0]}" if reason.strip() else judge


def _sum(one: dict[str, Number], two: dict[str, Number]) -> dict[str, Number]:
    summed = dict(one)
    for name, value in two.items():
        summed[name] = summed[name] + value if name in summed else value
    return summed
