"""How long a text takes in a voice: an affine fit of durations to what is in the text. Pure.

A fit is learned from ordinary clips of one voice; a few bad ones among them do not move it, for each round leaves out
what lies far off. Not known here: thresholds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from ...errors import ModelError
from .base import Hearing
from .limits import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_CLIPS = 30
"""Fewer clips of a voice say too little of its pace."""
_MIN_SPEED_CLIPS = 20
_ROUNDS = 4
_FAR = 3.0
_LETTER_S = {"zh": 0.25, "ja": 0.16, "ko": 0.16, "th": 0.09}
_OTHER_LETTER_S = 0.068
_BASE_S = 0.5
_MARK = re.compile(r"[,;:.!?—–()\"。，、！？；：]")
_LAST_MARKS = re.compile(r"\W+$")


@dataclass(frozen=True, slots=True)
class TextCounts:
    """What in a clip's text takes time.

    Attributes:
        length: The model's tokens, or letters and digits
        words, marks: Words, and marks before the last word
        speed: As the row was spoken
    """

    length: int
    words: int
    marks: int
    speed: float

    @classmethod
    def of(cls, clip: Hearing, *, has_tokens: bool) -> TextCounts:
        """The counts of a clip, by the model's tokens or by letters."""
        length = clip.num_tokens if has_tokens else num_letters(clip.text)
        return cls(length, len(clip.text.split()), len(_MARK.findall(_LAST_MARKS.sub("", clip.text))), clip.speed)


@dataclass(frozen=True, slots=True)
class Pace:
    """A voice's pace: (base + length · per_length + words · per_word + marks · per_mark) / speed + still parts.

    Attributes:
        has_tokens: Whether `length` counts the model's tokens; letters and digits otherwise
        base, per_length, per_word, per_mark: Seconds at speed 1
        still, still_per_length: Seconds that the speed leaves as they are; 0 where one speed was heard
    """

    has_tokens: bool
    base: float
    per_length: float
    per_word: float
    per_mark: float
    still: float = 0.0
    still_per_length: float = 0.0

    def expected_s(self, clip: Hearing) -> float:
        """Seconds that the clip's text should take, without the silences that it asks for."""
        counts = TextCounts.of(clip, has_tokens=self.has_tokens)
        moving = (
            self.base + self.per_length * counts.length + self.per_word * counts.words + self.per_mark * counts.marks
        )
        return max(0.05, moving / counts.speed + self.still + self.still_per_length * counts.length)

    @classmethod
    def of(cls, clips: Sequence[Hearing]) -> Pace:
        """The pace of clips of one voice. By tokens, where all clips have them."""
        has_tokens = all(clip.num_tokens > 0 for clip in clips)
        counts = [TextCounts.of(clip, has_tokens=has_tokens) for clip in clips]
        seconds = np.array([spoken_s(clip) for clip in clips])
        # [num_clips, num_coefficients]
        rows = np.array([[1 / c.speed, c.length / c.speed, c.words / c.speed, c.marks / c.speed] for c in counts])
        if sum(abs(c.speed - 1) > 0.05 for c in counts) >= _MIN_SPEED_CLIPS:
            rows = np.concatenate([rows, [[1.0, c.length] for c in counts]], axis=1)
        found: list[float] = _robust_fit(rows, seconds).tolist()
        return cls(has_tokens, *(round(value, 6) for value in found))

    @classmethod
    def usual(cls, language: str) -> Pace:
        """A guess by letters, for a voice that is not known: right within a factor of two."""
        return cls(False, _BASE_S, _LETTER_S.get(language.partition("-")[0].lower(), _OTHER_LETTER_S), 0.0, 0.0)

    @property
    def body(self) -> dict[str, object]:
        """Plain values, for a calibration."""
        return asdict(self)

    @classmethod
    def parsed(cls, body: object, key: str) -> Pace:
        """The pace from a calibration.

        Raises:
            ModelError: It is none; the message names the key
        """
        names = [name for name in cls.__dataclass_fields__ if name != "has_tokens"]
        if not isinstance(body, Mapping) or not set(body) <= {"has_tokens", *names}:
            raise ModelError(f"{key} is {body!r}; a fit has has_tokens, {', '.join(names)}")
        values = cast("Mapping[str, object]", body)
        return cls(
            values.get("has_tokens") is True, *(number(values.get(name, 0.0), f"{key}.{name}") for name in names)
        )


def num_letters(text: str) -> int:
    """Letters and digits of a text."""
    return sum(char.isalnum() for char in text)


def spoken_s(clip: Hearing) -> float:
    """Seconds of a clip without the silences that its text asks for."""
    return max(0.0, clip.duration_s - sum(clip.pauses_s))


def _robust_fit(rows: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares of relative errors, again without what lies beyond three deviations."""
    is_kept = seconds > 0
    expected = np.maximum(seconds, 0.05)
    found = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        weights = 1 / expected[is_kept]
        found = np.linalg.lstsq(rows[is_kept] * weights[:, None], seconds[is_kept] * weights, rcond=None)[0].astype(
            np.float64
        )
        expected = np.maximum(rows @ found, 0.05)
        errors = np.log(np.maximum(seconds, 1e-3) / expected)
        errors -= np.median(errors[is_kept])  # a few bad clips may have moved the first fit for all
        deviation = 1.4826 * float(np.median(np.abs(errors[is_kept])))
        is_kept = np.abs(errors) <= max(_FAR * deviation, 1e-6) if math.isfinite(deviation) else is_kept
    return found
