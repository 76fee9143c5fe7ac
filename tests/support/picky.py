"""A judge for sounds without meaning: it rejects a share of all clips, chosen by their samples alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict


class Picky(Judge):
    """Rejects about one clip of `by`, by its level."""

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return JudgeInfo("picky", "1")

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._by = int(str(config.options["by"]))

    def judge(self, clips: Sequence[Hearing]) -> list[Verdict]:
        return [Verdict(("level",) if is_rejected(clip, self._by) else ()) for clip in clips]


def is_rejected(clip: Hearing, by: int) -> bool:
    """Whether the judge rejects a clip."""
    # Coarse enough that another order of sums seldom matters.
    return int(3_000 * float(np.abs(clip.samples).mean())) % by == 0
