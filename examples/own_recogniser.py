"""A recogniser of one's own as a judge: any size of Whisper, by faster-whisper (the extra `quality`).

python examples/own_recogniser.py [FOLDER_OR_SIZE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import speechmill


class Dictation(speechmill.Recogniser):
    """It hears; how a transcript is compared and when it rejects, is the base's affair."""

    @classmethod
    def describe(cls, config: speechmill.JudgeConfig) -> speechmill.JudgeInfo:
        """What it is; its options are `path` and the limits of all recognisers."""
        return cls.described(config, "dictation", "1", path=str)

    def __init__(self, config: speechmill.JudgeConfig) -> None:
        from faster_whisper import WhisperModel

        super().__init__(config)
        self._model: Any = WhisperModel(str(config.options.get("path", "large-v3-turbo")), device=config.device)

    def hear(self, clips: Sequence[speechmill.Hearing]) -> Sequence[str]:
        """What is said in each clip: float32 [num_samples] at 16 kHz."""
        heard = [self._model.transcribe(clip.samples, language=clip.language or None)[0] for clip in clips]
        return [" ".join(segment.text.strip() for segment in segments) for segments in heard]


if __name__ == "__main__":
    options = {"path": sys.argv[1]} if sys.argv[1:] else {}
    judge = Dictation(speechmill.JudgeConfig("own_recogniser:Dictation", options=options))
    silence = np.zeros(16_000, np.float32)
    print(judge.judge([speechmill.Hearing("row", "Good morning.", "", "en", 1.0, silence, 16_000)])[0].reasons[0])
