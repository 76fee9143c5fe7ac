"""Any speech recogniser as a judge: a subclass hears, this turns what it heard into scores and a verdict.

A recogniser answers one of two questions, or both: what was said (`hear`), and how likely the expected text is
(`probabilities`). Silence is never given to it: a clip without sound is rejected as it is. A transcript rejects only
after a second hearing. No answer is `unheard`, never a pass. Not known here: which recogniser it is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from .levels import Levels
from .limits import Limits, check_options, revision
from .wording import Wording, compare, has_english_forms, normalised

RATE = 16_000
"""Hz that recognisers take."""
MIN_SOUND_S = 0.1
FEW_WORDS = 8
"""Texts with fewer words are judged by `few_words_cer` alone: one misheard name is half of them."""
MOST_CHARS_S = 40.0
"""More characters a second nobody says: the recogniser made them up."""
TRANSCRIPT_LIMITS = (
    Limit("cer", "character error rate", 0.15, strictest=0.05),
    Limit("run", "stretch of wrong words", 3.5, strictest=2.5),
    Limit("few_words_cer", "character error rate of a short text", 0.5, strictest=0.35),
)
PROBABILITY_LIMITS = (
    Limit("log_prob", "mean log-probability of the text", -1.5, is_lowest=True, strictest=-0.6),
    Limit("explained", "share of a third of the text that the audio explains", 0.5, is_lowest=True, strictest=0.9),
)
_LOWEST = -8.0
_LOWEST_ALONE = -12.0
"""A token counts for no less: how impossible it is says nothing more."""


@dataclass(frozen=True, slots=True)
class TextProbability:
    """How likely a recogniser finds the expected text, token by token, as natural logarithms.

    Attributes:
        given_audio: Each token after those before it, for the clip
        alone: The same for silence: what language alone makes of it. Names are unlikely, common words are not
    """

    given_audio: Sequence[float]
    alone: Sequence[float]

    @property
    def scores(self) -> dict[str, float]:
        """`log_prob`, the mean over the text, and `explained`, of its worst third.

        What is explained is the share of the text's surprise that goes away when the audio is heard: 1 if every token
        is certain then, 0 if the audio says nothing about it.
        """
        given = [max(value, _LOWEST) for value in self.given_audio]
        alone = [max(value, _LOWEST_ALONE) for value in self.alone]
        size = min(len(given), max(3, -(-len(given) // 3)))
        thirds = [
            1.0 - sum(given[at : at + size]) / min(sum(alone[at : at + size]), -1.0)
            for at in range(len(given) - size + 1)
        ]
        return {"log_prob": round(sum(given) / len(given), 4), "explained": round(min(thirds), 4)}


class Recogniser(Judge):
    """A recogniser on one device. Subclass it with `describe`, `__init__` and `hear`, or `probabilities`.

    Attributes:
        limits_set: The limits under its configuration, set by `__init__`
    """

    limits: ClassVar[tuple[Limit, ...]] = TRANSCRIPT_LIMITS
    limits_set: Limits

    @classmethod
    def described(
        cls, config: JudgeConfig, name: str, rules: str, *, languages: tuple[str, ...] = (), **options: type
    ) -> JudgeInfo:
        """What a recogniser is that takes 16 kHz on any device, for `describe`.

        Args:
            config: Its options are checked: limits and `options`.
            name: As it stands in scores and reasons.
            rules: A version, raised with any change after which it judges otherwise; with the weights' own.
            languages: That it knows, as in "en"; none for all.
            options: Its own options beside the limits, each with its type, as in `path=str`.

        Raises:
            ModelError: Of an unknown option, or one of another type
        """
        check_options(config, cls.limits, **options)
        reached = Limits.of(cls.limits, config)
        return JudgeInfo(
            name=name,
            revision=revision(rules, config, config.device, has_english_forms()),
            sample_rate=RATE,
            languages=languages,
            cost_s=0.08,
            thresholds=reached.values,
            rejects_below=reached.rejects_below,
        )

    @abstractmethod
    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self.limits_set = Limits.of(self.limits, config)

    def hear(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        """What is said in each clip, in order; "" for no word, None for no answer. By default it is not asked."""
        return [None] * len(clips)

    def hear_again(self, clips: Sequence[Hearing]) -> Sequence[str | None]:
        """The same of clips that would be rejected, with more care. By default as `hear`."""
        return self.hear(clips)

    def probabilities(self, clips: Sequence[Hearing]) -> Sequence[TextProbability | None]:
        """How likely the text of each clip is; None where it is not known. By default it is not asked."""
        return [None] * len(clips)

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order."""
        verdicts: dict[int, Verdict] = {}
        for at, clip in enumerate(clips):
            sound_s = Levels.of(clip.samples, clip.sample_rate).active_s
            if not normalised(clip.text, clip.language):
                verdicts[at] = Verdict(is_unheard=True, heard="the text has no word")
            elif sound_s < MIN_SOUND_S:
                verdicts[at] = Verdict((f"nothing to hear: {sound_s:.2f} s of sound",), {"sound_s": round(sound_s, 2)})
        asked = [at for at in range(len(clips)) if at not in verdicts]
        if asked:
            heard_clips = [clips[at] for at in asked]
            verdicts |= dict(zip(asked, self._verdicts(heard_clips), strict=True))
        return [verdicts[at] for at in range(len(clips))]

    def _verdicts(self, clips: Sequence[Hearing]) -> list[Verdict]:
        scores: list[dict[str, float]] = [{} for _ in clips]
        for own, found in zip(scores, self.probabilities(clips), strict=True):
            if found is not None:
                own.update(found.scores)
        heard = self._heard(clips, scores)
        return [
            Verdict(self.limits_set.reasons(own), own, text)
            if own
            else Verdict(is_unheard=True, heard=text or "the recogniser gave no answer")
            for own, text in zip(scores, heard, strict=True)
        ]

    def _heard(self, clips: Sequence[Hearing], scores: Sequence[dict[str, float]]) -> list[str]:
        """Transcripts, their scores added to the others; those that reject are heard twice."""
        texts = list(self.hear(clips))
        found = [_wording(clip, text) for clip, text in zip(clips, texts, strict=True)]
        doubtful = [
            at
            for at, text in enumerate(texts)
            if text is not None and ((own := found[at]) is None or self.limits_set.reasons(_word_scores(own)))
        ]
        if doubtful:
            again = self.hear_again([clips[at] for at in doubtful])
            for at, text in zip(doubtful, again, strict=True):
                texts[at], found[at] = text, _wording(clips[at], text)
        for own, wording in zip(scores, found, strict=True):
            if wording is not None:
                own.update(_word_scores(wording))
        return [text or "" for text in texts]


def _word_scores(wording: Wording) -> Mapping[str, float]:
    if wording.num_words < FEW_WORDS:
        return {"few_words_cer": round(wording.cer, 4), "wer": round(wording.wer, 4)}
    return {"cer": round(wording.cer, 4), "run": float(wording.run), "wer": round(wording.wer, 4)}


def _wording(clip: Hearing, heard: str | None) -> Wording | None:
    """The comparison; None for no answer, or one that is longer than speech can be."""
    if heard is None or len(heard) > MOST_CHARS_S * max(1.0, clip.duration_s):
        return None
    return compare(clip.text, heard, clip.language)
