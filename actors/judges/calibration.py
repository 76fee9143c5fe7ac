"""A judge's calibration: from a sample of ordinary clips to what `JudgeConfig.calibration` holds.

What the judge learns (fits and references by voice) comes first, then a threshold for each score. Clips that the judge
rejects before that, by its defaults, are bad: they are left out, or a few of them would move the thresholds. All
thresholds are tightened together, each by the same number of clips, as long as all of them together reject no more than
the share of the rest that they may. The same sample gives the same calibration. Not known here: where clips come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .base import Hearing, JudgeConfig, Limit, Verdict
from .limits import Limits
from .registry import judge_class, load_judge

MIN_SCORES = 100
"""Of fewer clips with a score the default threshold stays: they say nothing of one in a hundred."""
MARGIN = 0.05
"""Thresholds lie further out than the last clip that passes, by this share of its distance from the median."""

FAR = 3.0
"""Of a normal distribution 4.9 deviations: one ordinary clip in a million."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a sample says.

    Attributes:
        body: For `JudgeConfig.calibration`
        verdicts: Of the sample's clips, in order: scores, and reasons by the new thresholds
    """

    body: Mapping[str, object]
    verdicts: Sequence[Verdict]


def calibrate(config: JudgeConfig, clips: Sequence[Hearing], false_rejects: float = 0.01) -> Calibration:
    """Learn from ordinary clips. A threshold that the judge's options set stays as it is set.

    Args:
        config: Of the judge; a calibration in it is not read.
        clips: At the judge's sample rate, 500 or better 1,000; a few of them may be bad.
        false_rejects: The share of them that the judge may reject, the bad ones not counted.

    Raises:
        ModelError: The judge, its weights or its options are wrong.
        ValueError: `false_rejects` is not between 0 and 1.
    """
    if not 0 < false_rejects < 1:
        raise ValueError(f"false_rejects is {false_rejects}; it has to lie between 0 and 1")
    judge_type = judge_class(config.name)
    learned = dict(judge_type.learn(config, clips))
    verdicts = _judged(replace(config, calibration=learned), clips)
    limits = [limit for limit in judge_type.limits if limit.score not in config.options]
    scores = ordinary(limits, [verdict.scores for verdict in verdicts if not verdict.reasons])
    found = thresholds(limits, scores, false_rejects)
    body = {**learned, "thresholds": found, "num_clips": len(scores), "false_rejects": false_rejects}
    reached = Limits.of(judge_type.limits, replace(config, calibration=body))
    return Calibration(body, [replace(v, reasons=reached.reasons(v.scores)) for v in verdicts])


def ordinary(limits: Sequence[Limit], scores: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The scores of clips of which none lies far out: three bad clips in a hundred would move limits beyond them.

    A score lies far out beyond `FAR` times the distance from the median to the worst twentieth. So up to a twentieth of
    the clips may be bad; where scores are alike, none is far out. Scores that come in steps have longer tails: up to
    twice as far, those are ordinary that follow each other without a gap of that distance.
    """
    fences: list[tuple[Limit, float]] = []
    for limit in limits:
        ranked = sorted((own[limit.score] for own in scores if limit.score in own), reverse=limit.is_lowest)
        if len(ranked) >= MIN_SCORES:
            median, bad = ranked[len(ranked) // 2], ranked[int(0.95 * (len(ranked) - 1))]
            if bad != median:
                fences.append((limit, _fence(ranked, median, bad - median)))
    return [own for own in scores if not any(_is_beyond(limit, fence, own) for limit, fence in fences)]


def _fence(ranked: Sequence[float], median: float, spread: float) -> float:
    """The last ordinary one of the scores, ranked from good to bad, as far as the tail may reach."""
    fence = last = median + FAR * spread
    for score in ranked:
        distance = (score - median) / spread
        if distance <= FAR:
            last = score
        elif distance > 2 * FAR or abs(score - last) > 1.001 * abs(spread):
            break
        else:
            fence = last = score
    return fence


def _is_beyond(limit: Limit, fence: float, scores: Mapping[str, float]) -> bool:
    score = scores.get(limit.score)
    return score is not None and (score < fence if limit.is_lowest else score > fence)


def thresholds(
    limits: Sequence[Limit], scores: Sequence[Mapping[str, float]], false_rejects: float
) -> dict[str, float]:
    """A threshold for each limit with enough scores, by name.

    Args:
        limits: Of one judge.
        scores: Of each clip; a clip may lack some.
        false_rejects: The share of the clips that all limits together may reject.
    """
    known = [limit for limit in limits if sum(limit.score in own for own in scores) >= MIN_SCORES]
    # Of each limit the clips from the worst to the best: the first k of them are what it would reject.
    ranked = {
        limit.score: sorted(
            (at for at, own in enumerate(scores) if limit.score in own),
            key=lambda at, name=limit.score: scores[at][name],
            reverse=not limit.is_lowest,
        )
        for limit in known
    }
    allowed, rejected, depth = int(false_rejects * len(scores)), set[int](), 0
    while any(depth < len(row) // 2 for row in ranked.values()):
        rejected = rejected.union(*({row[depth]} for row in ranked.values() if depth < len(row) // 2))
        if len(rejected) > allowed:
            break
        depth += 1
    return {
        limit.score: _threshold(limit, [scores[at][limit.score] for at in ranked[limit.score]], depth)
        for limit in known
    }


def _threshold(limit: Limit, ranked: Sequence[float], depth: int) -> float:
    """The limit that rejects the first `depth` of the ranked scores at most, with its margin."""
    last, median = ranked[min(depth, len(ranked) - 1)], ranked[len(ranked) // 2]
    value = last + MARGIN * (last - median)
    if limit.strictest is not None:
        value = min(value, limit.strictest) if limit.is_lowest else max(value, limit.strictest)
    return round(value, 6)


def _judged(config: JudgeConfig, clips: Sequence[Hearing]) -> list[Verdict]:
    judge = load_judge(config)
    size = judge.info.max_batch if judge.info.is_batch_invariant else 1
    return [verdict for at in range(0, len(clips), size) for verdict in judge.judge(clips[at : at + size])]
