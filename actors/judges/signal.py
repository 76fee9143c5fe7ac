"""Faults that can be seen in the samples: silence, gaps, level, clipping, DC, drone, noise, a clip that is cut off.

It costs less than a thousandth of a second of one core per second of audio, and knows no language. Checks of the noise
floor and of the clip's last moment depend on the voice: they are off until they are calibrated or set. Not heard here:
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from .levels import FRAME_S, Levels, longest_run_s
from .limits import Limits, check_device, check_options, revision

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITS = (
    Limit("active_s", "sound", 0.1, "s", is_lowest=True, strictest=0.1),
    Limit("level_db", "level", -45.0, "dBFS", is_lowest=True, strictest=-30.0),
    Limit("gap_s", "gap", 1.2, "s", strictest=0.4),
    Limit("lead_s", "silence at the start", 0.6, "s", strictest=0.2),
    Limit("trail_s", "silence at the end", 0.8, "s", strictest=0.2),
    Limit("clipped", "share of clipped samples", 0.001, strictest=0.0002),
    Limit("dc", "offset", 0.02, strictest=0.005),
    Limit("drone_s", "drone", 1.5, "s", strictest=0.6),
    Limit("crossings", "share of zero crossings", 0.4, strictest=0.25),
    Limit("floor_db", "noise, relative to the level,", None, "dB", strictest=-50.0),
    Limit("end_db", "end, relative to the level,", None, "dB", strictest=-50.0),
)
_CLIPPED = 0.999
_DRONE_DB = 1.5
_LOUD_DB = 20.0


class Signal(Judge):
    """Checks of level, silence, clipping, drone and noise."""

    limits = LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options, each the limit of a score.

        Raises:
            ModelError: For an unknown option, or a limit that is no number
        """
        check_device(config, "cpu")
        check_options(config, LIMITS)
        limits = Limits.of(LIMITS, config)
        return JudgeInfo(
            name="signal",
            revision=revision("signal-1", config),
            cost_s=0.0005,
            max_batch=64,
            thresholds=limits.values,
            rejects_below=limits.rejects_below,
        )

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._limits = Limits.of(LIMITS, config)

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order. A gap or an edge may be longer by a silence that the text asks for."""
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        scores = signal_scores(clip.samples, clip.sample_rate)
        # Silence is the model's fault, also where the job trims it.
        for name, cut_s in zip(("lead_s", "trail_s"), clip.cut_s, strict=True):
            if name in scores:
                scores[name] = round(scores[name] + cut_s, 5)
        pause_s = max(clip.pauses_s, default=0.0)
        reasons = self._limits.reasons(scores, gap_s=pause_s, lead_s=pause_s, trail_s=pause_s)
        return Verdict(reasons, scores)


def signal_scores(samples: NDArray[np.float32], sample_rate: int) -> dict[str, float]:
    """All scores of float32 [num_samples]; of a clip without a sound only `active_s`, `level_db` and `dc`.

    Levels of `floor_db` and `end_db` are relative to the clip's own: -60 is quiet, 0 as loud as the speech.
    """
    levels = Levels.of(samples, sample_rate)
    active = np.flatnonzero(is_active := levels.is_active)
    scores = {"active_s": levels.active_s, "level_db": levels.level_db}
    scores["dc"] = abs(float(samples.mean())) if len(samples) else 0.0
    if len(active):
        first, last = int(active[0]), int(active[-1])
        loud = samples[first * _size(sample_rate) : (last + 1) * _size(sample_rate)]
        scores |= {
            "gap_s": longest_run_s(~is_active[first : last + 1]),
            "lead_s": first * FRAME_S,
            "trail_s": (len(is_active) - 1 - last) * FRAME_S,
            "clipped": float((np.abs(samples) >= _CLIPPED).mean()),
            "drone_s": _drone_s(levels),
            "crossings": float((np.signbit(loud[1:]) != np.signbit(loud[:-1])).mean()) if len(loud) > 1 else 0.0,
            "floor_db": float(np.percentile(levels.db, 5)) - levels.level_db,
            "end_db": _end_db(samples, sample_rate) - levels.level_db,
        }
    return {name: round(value, 5) for name, value in scores.items()}


def _size(sample_rate: int) -> int:
    return max(1, round(FRAME_S * sample_rate))


def _drone_s(levels: Levels) -> float:
    """Seconds of the longest stretch of loud frames whose level hardly moves from one to the next."""
    db = levels.db
    is_steady = (np.abs(np.diff(db)) < _DRONE_DB) & (db[1:] > levels.level_db - _LOUD_DB)
    return longest_run_s(is_steady)


def _end_db(samples: NDArray[np.float32], sample_rate: int) -> float:
    """The level of the last 20 ms, in dBFS."""
    return float(Levels.of(samples[-_size(sample_rate) :], sample_rate).db[0])
