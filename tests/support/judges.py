"""Judges for tests: one that knows what tones should sound like and misbehaves to order, and one for any sound.

Options of `ToneCheck`: `char_s`, the model's seconds per character; `delay_s`, the most seconds that a call sleeps, by
chance; `crash` and `hang`, parts of a text whose first calls raise or never end; `short`, a part of a text with
which a call returns one verdict less; `times`, how often each of these happens in the process; `unheard`, a part of a
text that it cannot judge; `log`, a file that gets the ids of all clips; `die`, a file at which the process removes it
and ends.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict

DEFAULTS: dict[str, Any] = {
    "char_s": 0.01,
    "delay_s": 0.0,
    "crash": "",
    "hang": "",
    "short": "",
    "times": 1,
    "unheard": "",
    "cost_s": 0.001,
    "log": "",
    "die": "",
}
HANG_S = 600.0
"""Longer than anything waits for it."""
CALLS: Counter[str] = Counter()
"""How often each misbehaviour happened in this process."""


class ToneCheck(Judge):
    """Rejects clips that are silent, too short or noise."""

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        options = DEFAULTS | dict(config.options)
        return JudgeInfo("tone-check", "1", cost_s=options["cost_s"], max_batch=4, thresholds={"level": 0.1})

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._options = DEFAULTS | dict(config.options)

    def judge(self, clips: Sequence[Hearing]) -> list[Verdict]:
        options = self._options
        if options["delay_s"]:
            time.sleep(random.random() * options["delay_s"])
        if options["log"]:
            with Path(options["log"]).open("a", encoding="utf-8") as log:
                log.write("".join(f"{clip.id}\n" for clip in clips))
        if options["die"] and Path(options["die"]).exists():
            Path(options["die"]).unlink()
            os._exit(1)
        if self._is_time("crash", clips):
            raise ZeroDivisionError("a judge that breaks")
        if self._is_time("hang", clips):
            time.sleep(HANG_S)
        verdicts = [self._verdict(clip) for clip in clips]
        return verdicts[1:] if self._is_time("short", clips) else verdicts

    def _is_time(self, what: str, clips: Sequence[Hearing]) -> bool:
        found = [clip.id for clip in clips if self._options[what] and self._options[what] in clip.text]
        if not found or CALLS[f"{what} {found[0]}"] >= self._options["times"]:
            return False
        CALLS[f"{what} {found[0]}"] += 1
        return True

    def _verdict(self, clip: Hearing) -> Verdict:
        if self._options["unheard"] and self._options["unheard"] in clip.text:
            return Verdict(is_unheard=True)
        level = float(np.abs(clip.samples).max())
        seconds = len(clip.samples) / clip.sample_rate
        crossings = float((np.diff(np.signbit(clip.samples)) != 0).mean()) if len(clip.samples) > 1 else 0.0
        expected = clip.num_tokens * self._options["char_s"] / clip.speed
        scores = {"level": level, "crossings": crossings, "length": seconds / expected}
        reasons: list[str] = []
        if level < 0.1:
            reasons.append(f"level {level:.2f} < 0.1")
        elif crossings > 0.3:
            reasons.append(f"noise {crossings:.2f} > 0.3")
        elif seconds < 0.8 * expected:
            reasons.append(f"length {seconds / expected:.2f} < 0.8")
        return Verdict(tuple(reasons), scores, heard="tone" if not reasons else reasons[0].split()[0])


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
