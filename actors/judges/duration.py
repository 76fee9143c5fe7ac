"""Clips that are too short or too long for their text: truncated, repeated, with a tail, at another speed.

The expected duration is an affine fit of the model's tokens, words and marks for each voice, from a calibration
(`pace.py`). A voice without a fit is judged by letters, and only a factor of two is seen. Not heard here: samples.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ...errors import ModelError
from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from .limits import Limits, check_device, check_options, option_key, revision
from .pace import MIN_CLIPS, Pace, num_letters, spoken_s

LIMITS = (
    Limit("shorter", "shorter than expected, log ratio", 0.7, strictest=0.05),
    Limit("longer", "longer than expected, log ratio", 0.7, strictest=0.05),
)
SLACK_S = 0.1
"""Seconds that a clip of any length may be off."""
_UNKNOWN = {limit.score: limit.default for limit in LIMITS}


class Duration(Judge):
    """The duration of a clip against that of its text."""

    limits = LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options: `shorter` and `longer`, natural logarithms of ratios, and `slack_s`.

        Raises:
            ModelError: For an unknown option, a limit that is no number, or a calibration that holds no fits
        """
        check_device(config, "cpu")
        check_options(config, LIMITS, slack_s=float)
        if _slack_s(config) < 0:
            raise ModelError(f"{option_key(config, 'slack_s')} is {_slack_s(config)}; it must be 0 or more")
        _paces(config)
        return JudgeInfo(
            name="duration",
            revision=revision("duration-1", config),
            cost_s=0.00001,
            max_batch=1_024,
            thresholds=Limits.of(LIMITS, config).values,
        )

    @classmethod
    def learn(cls, config: JudgeConfig, clips: Sequence[Hearing]) -> Mapping[str, object]:
        """Fits of the voices with enough clips, `voices` by name."""
        by_voice: dict[str, list[Hearing]] = defaultdict(list)
        for clip in clips:
            if num_letters(clip.text) and len(clip.samples):
                by_voice[clip.voice].append(clip)
        return {"voices": {voice: Pace.of(own).body for voice, own in by_voice.items() if len(own) >= MIN_CLIPS}}

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        self._limits = Limits.of(LIMITS, config)
        # Limits that were calibrated hold for the voices that were: of others too little is known.
        loose = JudgeConfig(config.name, options={**_UNKNOWN, **_limits_set(config)})
        self._loose_limits = Limits.of(LIMITS, loose)
        self._paces = _paces(config)
        self._slack_s = _slack_s(config)

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order."""
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        pace = self._paces.get(clip.voice)
        is_known = pace is not None and (clip.num_tokens > 0 or not pace.has_tokens)
        if pace is None or not is_known:
            if not num_letters(clip.text):
                return Verdict(is_unheard=True, heard="no letter in the text: its duration is not known")
            pace = Pace.usual(clip.language)
        expected_s, found_s = pace.expected_s(clip), spoken_s(clip)
        off = math.log(max(found_s, 0.01) / expected_s) if abs(found_s - expected_s) > self._slack_s else 0.0
        scores = {
            "shorter": round(max(0.0, -off), 4),
            "longer": round(max(0.0, off), 4),
            "expected_s": round(expected_s, 3),
        }
        return Verdict((self._limits if is_known else self._loose_limits).reasons(scores), scores)


def _limits_set(config: JudgeConfig) -> dict[str, object]:
    return {name: config.options[name] for name in _UNKNOWN if name in config.options}


def _slack_s(config: JudgeConfig) -> float:
    value = config.options.get("slack_s", SLACK_S)
    return value if isinstance(value, float) else SLACK_S


def _paces(config: JudgeConfig) -> dict[str, Pace]:
    voices = config.calibration.get("voices", {})
    if not isinstance(voices, Mapping):
        raise ModelError(f"quality.calibration: {config.name}.voices is {voices!r}; it maps voices to fits")
    return {
        str(voice): Pace.parsed(body, f"quality.calibration: {config.name}.voices.{voice}")
        for voice, body in voices.items()
    }
