"""The quality gate of a job in one replica: its judges, loaded, and what becomes of a clip.

Guaranteed: judges hear the 16-bit samples that will be stored, at their own rate. The gate answers for every clip,
whatever a judge does. This module does not use Ray: judges elsewhere are an argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..audio.encoding import PCM_SCALE
from ..audio.finishing import resample
from ..judges.base import Hearing, JudgeConfig, JudgeInfo, Verdict
from ..models.base import ModelInfo
from ..records.utterance import Utterance
from ..text.front_end import text_language
from .cascade import ClipVerdict, hear
from .config import GateConfig, is_dear
from .local_judge import LocalJudge
from .stats import GateStats, kind_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class AnsweringJudge(Protocol):
    """A judge, here or elsewhere, that answers whatever happens to it."""

    def ask(self, clip: Hearing) -> Verdict:
        """Its verdict; `unheard` if it does not answer."""
        ...

    def close(self) -> None:
        """Ask it nothing more."""
        ...


Hire = Callable[[JudgeConfig, JudgeInfo], AnsweringJudge]
"""Makes a judge that runs elsewhere."""


class Gate:
    """The judges of a job, for the encoder threads of a replica.

    Args:
        hire: Makes dear judges that run elsewhere, if the job wants them there

    Attributes:
        is_elsewhere: Whether a judge runs elsewhere, so that a verdict is waited for more than it is worked for

    Raises:
        ModelError: A judge cannot be loaded
    """

    def __init__(self, config: GateConfig, hire: Hire | None = None) -> None:
        self.config = config
        self.is_elsewhere = hire is not None and any(map(is_dear, config.infos))
        with ExitStack() as stack:
            self._judges: list[AnsweringJudge] = []
            self._rates: list[int | None] = []
            for judge, info in zip(config.judges, config.infos, strict=True):
                if hire is not None and is_dear(info):
                    made: AnsweringJudge = hire(judge, info)
                    self._rates.append(None)  # it gets the clip as it is, and makes its own rate of it
                else:
                    made = LocalJudge(judge, info, config.place.timeout_s)
                    self._rates.append(info.sample_rate)
                stack.callback(made.close)
                self._judges.append(made)
            self._closing = stack.pop_all()

    def judge(self, clip: Hearing) -> tuple[ClipVerdict, GateStats]:
        """The verdict on a clip at its own rate, and what it cost; the row that it belongs to has not ended yet."""
        rates = {clip.sample_rate: clip}
        seconds: dict[str, float] = {}
        audio_s: dict[str, float] = {}

        def ask(number: int, clip: Hearing) -> Verdict:
            info = self.config.infos[number]
            began = time.perf_counter()
            rate = self._rates[number] or clip.sample_rate
            if rate not in rates:
                rates[rate] = replace(clip, samples=resample(clip.samples, clip.sample_rate, rate), sample_rate=rate)
            verdict = self._judges[number].ask(rates[rate])
            seconds[info.name] = time.perf_counter() - began
            audio_s[info.name] = len(clip.samples) / clip.sample_rate
            return verdict

        verdict = hear(clip, self.config.infos, self.config.share, ask)
        is_rejected = verdict.name == "rejected"
        return verdict, GateStats(
            num_judged=1,
            rejections={kind_of(verdict.rejected_by, verdict.reasons[0]): 1} if is_rejected else {},
            unheard=dict.fromkeys(verdict.unheard_by, 1),
            vain_s=len(clip.samples) / clip.sample_rate if is_rejected else 0.0,
            judge_s=seconds,
            judged_audio_s=audio_s,
        )

    def close(self) -> None:
        """End the judges."""
        self._closing.close()


def clip_of(
    utterance: Utterance,
    info: ModelInfo,
    text: str,
    num_tokens: int,
    pcm: NDArray[np.int16],
    sample_rate: int,
    pauses_s: Sequence[float] = (),
) -> Hearing:
    """A clip as judges hear it.

    Args:
        text: As it is spoken
        num_tokens: The model's count of the text
        pcm: int16 [num_samples] at `sample_rate` Hz, as they will be stored
        pauses_s: Seconds of silence between segments
    """
    import numpy as np

    voice = utterance.voice or info.default_voice
    return Hearing(
        utterance.id,
        text,
        voice,
        utterance.language or language_of(info, voice, text),
        utterance.speed,
        pcm.astype(np.float32) / np.float32(PCM_SCALE),
        sample_rate,
        num_tokens,
        tuple(pause_s for pause_s in pauses_s if pause_s > 0),
    )


def language_of(info: ModelInfo, voice: str, text: str = "") -> str:
    """The language that a voice speaks a text in, as in "en"; "" where it is not known."""
    if said := dict(info.voice_languages).get(voice) or info.text_language:
        return said
    if len(info.languages) == 1:
        return info.languages[0]
    return text_language(text) if text and {"en", "zh"} == set(info.languages) else ""
