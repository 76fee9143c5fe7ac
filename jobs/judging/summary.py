"""What a judging found: counts, quantiles of scores, costs, the worst clips. Pure but for what it is given to read.

Guaranteed: memory does not grow with the corpus. Quantiles are those of a sample of `SAMPLE` clips, drawn alike each
time; everything else is exact.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...actors.gate.stats import kind_of
from ...actors.judges.base import JudgeInfo
from .judged_clip import AUDIO, JudgedClip

SAMPLE = 20_000
NUM_WORST = 20
_QUANTILES = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class BadClip:
    """A clip far out.

    Attributes:
        said: The text as it should be heard
        heard: What a recogniser understood; "" without one
        audio: Where the clip lies
        excess: How far its worst score lies beyond the median, in distances from the median to the threshold
    """

    id: str
    said: str
    heard: str
    audio: str
    reasons: tuple[str, ...]
    excess: float


@dataclass(frozen=True, slots=True)
class ScoreQuantiles:
    """The distribution of a score.

    Attributes:
        num_clips: With this score
        quantiles: At 0, 1, 5, 50, 95, 99 and 100 % of a sample
        threshold: Beyond which clips are rejected; None where no judge does
        is_lowest: Whether lower ones are rejected
    """

    num_clips: int
    quantiles: tuple[float, ...]
    threshold: float | None = None
    is_lowest: bool = False

    def excess(self, score: float) -> float:
        """How far a score lies beyond the median, in distances from there to the threshold; 0 without one."""
        median = self.quantiles[_QUANTILES.index(0.5)]
        if self.threshold is None or self.threshold == median:
            return 0.0
        return (score - median) / (self.threshold - median)


@dataclass(frozen=True, slots=True)
class JudgingSummary:
    """The result of a judging.

    Attributes:
        corpus, output: What was judged, and where the scores are
        again: The list of rows to speak again
        num_clips: All that were judged, passed, rejected and unheard together
        num_failed: Rows of an output of ours that have no clip
        num_broken: Rejected clips that are missing or cannot be decoded
        audio_s, rejected_s: Seconds of audio: all, and of rejected clips
        rejections: Clips by judge and kind of reason, as in "signal gap"
        unheard: Clips by the judge that could not tell
        scores: By name, as in "signal.gap_s"
        worst: Rejected clips, the worst first
        varies: Whether another seed makes another clip, as far as the model is known
        num_heard: Clips that this run heard; the others were judged before
        wall_s: Seconds that this run took
        costs: Seconds per second of audio of each judge in this run
    """

    corpus: str
    output: str
    again: str
    model: str = ""
    varies: bool = True
    num_clips: int = 0
    num_passed: int = 0
    num_rejected: int = 0
    num_unheard: int = 0
    num_failed: int = 0
    num_broken: int = 0
    audio_s: float = 0.0
    rejected_s: float = 0.0
    rejections: Mapping[str, int] = field(default_factory=dict)
    unheard: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, ScoreQuantiles] = field(default_factory=dict)
    worst: Sequence[BadClip] = ()
    num_heard: int = 0
    wall_s: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether nothing was rejected."""
        return not self.num_rejected

    @property
    def body(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"quantiles": _QUANTILES, "is_ok": self.is_ok}


class Tally:
    """Counts clips, one after the other."""

    def __init__(self) -> None:
        self._named: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._rejections: Counter[str] = Counter()
        self._unheard: Counter[str] = Counter()
        self._num_scores: Counter[str] = Counter()
        self._samples: dict[str, list[float]] = {}
        self._random = random.Random(0)

    def add(self, clip: JudgedClip) -> None:
        """Count a clip."""
        self._named[clip.verdict] += 1
        self._named["broken"] += clip.judge == AUDIO
        self._seconds[clip.verdict] += clip.duration_s  # type: ignore[assignment]  # seconds are summed as counts are
        if clip.verdict == "rejected":
            kinds = [AUDIO] if clip.judge == AUDIO else [kind_of(clip.judge, reason) for reason in clip.reasons]
            self._rejections.update(kinds)
        self._unheard.update(clip.unheard_by)
        for name, score in clip.scores.items():
            self._sample(name, score)

    def _sample(self, name: str, score: float) -> None:
        """Keep a score, in place of another one once there are many: each with the same chance."""
        self._num_scores[name] += 1
        kept = self._samples.setdefault(name, [])
        if len(kept) < SAMPLE:
            kept.append(score)
        elif (at := self._random.randrange(self._num_scores[name])) < SAMPLE:
            kept[at] = score

    def scores(self, infos: Iterable[JudgeInfo]) -> dict[str, ScoreQuantiles]:
        """The distribution of each score, with the threshold that a judge has for it."""
        limits = {
            f"{info.name}.{name}": (float(value), name in info.rejects_below)
            for info in infos
            for name, value in info.thresholds.items()
        }
        found: dict[str, ScoreQuantiles] = {}
        for name, kept in sorted(self._samples.items()):
            ranked = sorted(kept)
            quantiles = tuple(round(ranked[round(share * (len(ranked) - 1))], 6) for share in _QUANTILES)
            found[name] = ScoreQuantiles(self._num_scores[name], quantiles, *limits.get(name, (None, False)))
        return found

    def counts(self) -> dict[str, Any]:
        """The counts, by the names of a summary's fields."""
        named, seconds = self._named, self._seconds
        return {
            "num_clips": named["passed"] + named["rejected"] + named["unheard"],
            "num_passed": named["passed"],
            "num_rejected": named["rejected"],
            "num_unheard": named["unheard"],
            "num_broken": named["broken"],
            "audio_s": round(float(sum(seconds.values())), 3),
            "rejected_s": round(float(seconds["rejected"]), 3),
            "rejections": dict(self._rejections.most_common()),
            "unheard": dict(self._unheard.most_common()),
        }


class Worst:
    """Keeps the clips that lie farthest out."""

    def __init__(self, scores: Mapping[str, ScoreQuantiles], num_kept: int = NUM_WORST) -> None:
        self._scores = scores
        self._num_kept = num_kept
        self._heap: list[tuple[float, int, BadClip]] = []
        self._order = 0

    def add(self, clip: JudgedClip) -> None:
        """Look at a clip."""
        excess = max(
            (self._scores[name].excess(score) for name, score in clip.scores.items() if name in self._scores),
            default=0.0,
        )
        said = clip.normalized_text or clip.text
        shown = BadClip(clip.id, said, clip.heard, clip.audio, clip.reasons, round(excess, 3))
        self._order -= 1  # of equal ones, the first
        entry = (excess, self._order, shown)
        if len(self._heap) < self._num_kept:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def clips(self) -> tuple[BadClip, ...]:
        """The worst first."""
        return tuple(clip for _, _, clip in sorted(self._heap, reverse=True))
