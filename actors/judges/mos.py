"""How natural a clip sounds: DistillMOS, a network that predicts the mean opinion of listeners, 1 to 5.

It hears garbled speech, babble and noise; it does not know which words are right. Each clip is a forward pass of its
own. It costs a tenth of a second of one core per second of audio: for a share of the rows, or a report.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ...errors import ModelError
from .base import Hearing, Judge, JudgeConfig, JudgeInfo, Limit, Verdict
from .limits import Limits, check_device, check_options, revision

RATE = 16_000
LIMITS = (Limit("mos", "predicted opinion", 3.0, is_lowest=True, strictest=4.5),)


class Mos(Judge):
    """DistillMOS on one device."""

    limits = LIMITS

    @classmethod
    def describe(cls, config: JudgeConfig) -> JudgeInfo:
        """The judge under these options: `mos`, the lowest opinion that passes.

        Raises:
            ModelError: For an unknown option, a limit that is no number, or if the package is missing
        """
        check_device(config, "cpu", "cuda")
        check_options(config, LIMITS)
        if importlib.util.find_spec("distillmos") is None:
            raise ModelError(f"{config.name}: distillmos is not installed; pip install 'speechmill[mos]'")
        limits = Limits.of(LIMITS, config)
        return JudgeInfo(
            name="mos",
            revision=revision("mos-1", config, config.device, version("distillmos")),
            sample_rate=RATE,
            cost_s=0.1,
            thresholds=limits.values,
            rejects_below=limits.rejects_below,
        )

    def __init__(self, config: JudgeConfig) -> None:
        self.info = self.describe(config)
        distillmos: Any = importlib.import_module("distillmos")
        self._limits = Limits.of(LIMITS, config)
        self._device = config.device
        # The library prints where its weights lie.
        with contextlib.redirect_stdout(io.StringIO()):
            model: Any = distillmos.ConvTransformerSQAModel()
        self._model = model.to(config.device).eval()

    def judge(self, clips: Sequence[Hearing]) -> Sequence[Verdict]:
        """A verdict for each clip, in order; a clip without samples is unheard."""
        return [self._verdict(clip) for clip in clips]

    def _verdict(self, clip: Hearing) -> Verdict:
        import torch

        if not len(clip.samples):
            return Verdict(is_unheard=True, heard="no samples")
        with torch.inference_mode():
            # [num_samples] -> [1, num_samples]
            opinion = float(self._model(torch.from_numpy(clip.samples.copy())[None].to(self._device)))
        scores = {"mos": round(opinion, 3)}
        return Verdict(self._limits.reasons(scores), scores)
