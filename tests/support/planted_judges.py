"""Judges that note what they hear, take their time, and die of a clip: for tests of `speechmill judge`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speechmill.actors.judges.base import Hearing, Judge, JudgeConfig, JudgeInfo, Verdict
from speechmill.errors import ModelError


class Noting(Judge):
    """Rejects quiet clips, and writes the id of each clip that it hears as a line of the file `notes`.

    Options: `notes`; `waits`, a file: while it is there, a process waits at its 31st clip; `deadly`, a piece of text of
    which its process dies; `is_broken`, so that it cannot be loaded.
    """

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._options = config.options
        self._num_heard = 0
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
        self._num_heard += 1
        if self._num_heard > 30 and Path(str(self._options.get("waits", ""))).is_file():
            threading.Event().wait()
        if str(self._options.get("deadly", "\0")) in clip.text:
            os.kill(os.getpid(), signal.SIGKILL)
        peak = float(np.abs(clip.samples).max())
        return Verdict(("peak too low",) if peak < 0.05 else (), {"peak": peak})
