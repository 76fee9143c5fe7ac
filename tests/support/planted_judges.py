"""Judges that note what they hear, wait for a test, and die of a clip: for tests of `speechmill judge`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from speechmill.errors import ModelError

FREE_CLIPS = 20
"""Of which no file keeps a judge."""


class Noting(Judge):
    """Rejects quiet clips, and writes the id of each clip that it hears as a line of the file `notes`.

    Options: `notes`; `deadly`, a piece of text of which its process dies; `is_broken`, so that it cannot be loaded.
    While there is a file with the name of the notes and `.hold`, it waits after the first `FREE_CLIPS`.
    """

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._options = config.options
        if config.options.get("is_broken"):
            raise ModelError("its weights are torn")

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        return JudgeInfo("noting", "1", max_batch=1, thresholds={"peak": 0.05}, rejects_below=("peak",))

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        with Path(str(self._options["notes"])).open("a") as notes:
            notes.write(f"{clip.id}\n")
        hold = Path(f"{self._options['notes']}.hold")
        while hold.exists() and len(Path(str(self._options["notes"])).read_text().splitlines()) > FREE_CLIPS:
            time.sleep(0.05)
        if str(self._options.get("deadly", "\0")) in clip.text:
            os.kill(os.getpid(), signal.SIGKILL)
        peak = float(np.abs(clip.samples).max())
        return Verdict(("peak too low",) if peak < 0.05 else (), {"peak": peak})
