"""The interface of judges, twin of the models': `describe` without loading, then a batch of clips in, a verdict each.

A judge never sees Ray, storage or the job file. A verdict depends on the clip alone (its samples, text, voice,
language, speed), never on its batch mates, nor on what was heard before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """What the job says about one judge.

    Attributes:
        name: A registered name, or "module:Class"
        device: "cpu" or "cuda"
        options: The judge's own settings (thresholds, weights), checked by the judge
        calibration: What `speechmill judge --calibrate` measured for this judge: thresholds, fits by voice
    """

    name: str
    device: str = "cpu"
    options: Mapping[str, object] = field(default_factory=dict)
    calibration: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """One threshold of a judge. The score, the threshold and the option that sets it have one name.

    Attributes:
        score: The name, as in "gap_s"
        label: For reasons, as in "gap"
        default: None for a check that is off until it is calibrated or set
        unit: For reasons, as in "s"
        is_lowest: Whether lower scores are rejected, not higher ones
        strictest: A calibration goes no further, however alike the clips of its sample are; None: as far as they are
    """

    score: str
    label: str
    default: float | None
    unit: str = ""
    is_lowest: bool = False
    strictest: float | None = None


@dataclass(frozen=True, slots=True)
class JudgeInfo:
    """What is known of a judge before it is loaded.

    Attributes:
        name: As it stands in scores and reasons
        revision: Of weights, code and thresholds; another revision may judge differently
        sample_rate: Hz of the samples that it takes; None for the clip's own rate
        languages: That it can judge, as in "en"; empty for all
        cost_s: Estimated CPU seconds per second of audio
        max_batch: The most clips that one call of `judge` takes
        is_batch_invariant: Whether a clip's verdict is the same to the bit in any batch; False: it is asked with one
        thresholds: The limits that it rejects beyond, by the name of the score
        rejects_below: Those of `thresholds` below which it rejects; above the others
    """

    name: str
    revision: str
    sample_rate: int | None = None
    languages: tuple[str, ...] = ()
    cost_s: float = 0.001
    max_batch: int = 16
    is_batch_invariant: bool = True
    thresholds: Mapping[str, float] = field(default_factory=dict)
    rejects_below: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hearing:
    """A clip as a judge gets it.

    Attributes:
        id: Of the row
        text: The text as it should be heard: the manifest's `normalized_text` where there is one, else `text`
        voice, language, speed: As the row was spoken; language as in "en", "" where it is not known
        samples: float32 [num_samples] in -1 … 1, of the 16-bit samples that will be stored, at `sample_rate`
        sample_rate: Hz; the judge's own where its `JudgeInfo` names one
        num_tokens: What the model counts as the text's length at speed 1, summed over its segments; 0 where it is not
            known
        pauses_s: Seconds of each silence that the text's markup asks for
        cut_s: Seconds of silence that were trimmed off the clip's start and end: the model has spoken them
    """

    id: str
    text: str
    voice: str
    language: str
    speed: float
    samples: NDArray[np.float32]
    sample_rate: int
    num_tokens: int = 0
    pauses_s: tuple[float, ...] = ()
    cut_s: tuple[float, float] = (0.0, 0.0)

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / self.sample_rate


VerdictName = Literal["passed", "rejected", "unheard"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one clip.

    Attributes:
        reasons: Why it is rejected, as in "gap 1.43 s > 1.2 s"; empty for a clip that passes
        scores: Numbers for the manifest, by name
        heard: What a recogniser understood; "" from other judges
        is_unheard: The judge could not tell (too short, another language): neither passed nor rejected
    """

    reasons: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    heard: str = ""
    is_unheard: bool = False

    @property
    def name(self) -> VerdictName:
        """One word for it."""
        return "rejected" if self.reasons else "unheard" if self.is_unheard else "passed"


class Judge(ABC):
    """A judge on one device: a batch of clips in, a verdict each out.

    Subclass it, register it or name it as "module:Class", and it judges in every job.

    Attributes:
        limits: Its thresholds, which a calibration sets
    """

    info: JudgeInfo
    limits: ClassVar[tuple[Limit, ...]] = ()

    @classmethod
    @abstractmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """Check the configuration and say what the judge is; touches no device and loads no weights.

        Raises:
            ModelError: For an unknown option, a threshold that makes no sense, or missing weights
        """

    @classmethod
    def learn(cls, config: JudgeConfig, clips: Sequence[Hearing]) -> Mapping[str, object]:
        """What a sample of ordinary clips teaches it beside thresholds, for `JudgeConfig.calibration`: fits by voice.

        Args:
            clips: At the judge's sample rate; a few of them may be bad
        """
        return {}

    @abstractmethod
    def __init__(self, config: JudgeConfig) -> None:
        """Load the weights onto `config.device`."""

    @abstractmethod
    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order; each depends on its clip alone.

        Raises:
            RowError: If the clips cannot be judged; they are then `unheard`
        """
