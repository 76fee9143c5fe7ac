"""The quality gate of a job in one replica: its judges, loaded, and what becomes of a clip.

Guaranteed: judges hear the 16-bit samples that will be stored, at their own rate. The gate answers for every clip,
whatever a judge does. This module does not use Ray: judges elsewhere are an argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..audio.encoding import PCM_SCALE
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

    Raises:
        ModelError: A judge cannot be loaded
    """

    def __init__(self, config: GateConfig, hire: Hire | None = None) -> None:
        self.config = config
        is_elsewhere = config.place.where == "actors" and hire is not None
        with ExitStack() as stack:
            self._judges: list[AnsweringJudge] = []
            for judge, info in zip(config.judges, config.infos, strict=True):
                if is_elsewhere and hire is not None and is_dear(info):
                    made: AnsweringJudge = hire(judge, info)
                else:
                    made = LocalJudge(judge, info, config.place.timeout_s)
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
            rate = info.sample_rate or clip.sample_rate
            if rate not in rates:
                rates[rate] = replace(clip, samples=resampled(clip.samples, clip.sample_rate, rate), sample_rate=rate)
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
    utterance: Utterance, info: ModelInfo, text: str, num_tokens: int, pcm: NDArray[np.int16], sample_rate: int
) -> Hearing:
    """A clip as judges hear it.

    Args:
        text: As it is spoken
        num_tokens: The model's count of the text
    """
    import numpy as np

    voice = utterance.voice or info.default_voice
    return Hearing(
        utterance.id,
        text,
        voice,
        language_of(info, voice, text),
        utterance.speed,
        pcm.astype(np.float32) / np.float32(PCM_SCALE),
        sample_rate,
        num_tokens,
    )


def language_of(info: ModelInfo, voice: str, text: str = "") -> str:
    """The language that a voice speaks a text in, as in "en"; "" where it is not known."""
    if said := dict(info.voice_languages).get(voice) or info.text_language:
        return said
    if len(info.languages) == 1:
        return info.languages[0]
    return text_language(text) if text and {"en", "zh"} == set(info.languages) else ""


def resampled(samples: NDArray[np.float32], sample_rate: int, wanted: int) -> NDArray[np.float32]:
    """The samples float32 [num_samples] at another rate: a function of these samples alone."""
    import torch
    from torchaudio.functional import resample

    with torch.inference_mode():
        return resample(torch.from_numpy(samples), sample_rate, wanted).numpy()
