"""Profiles of slow tones, made without waiting: a replica that finds one need not measure for nine seconds.

The model is measured as in a replica, by a clock that its pauses advance, so the profile is the same.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from speechmill.actors.batcher import calibration
from speechmill.actors.batcher.profile_cache import ProfileCache
from speechmill.actors.models import tone
from speechmill.actors.models.base import ModelConfig


class _Clock:
    """The clock of this process; pauses advance it without waiting."""

    def __init__(self) -> None:
        self._slept_s = 0.0

    def perf_counter(self) -> float:
        return time.perf_counter() + self._slept_s

    def sleep(self, seconds: float) -> None:
        self._slept_s += seconds


def measured(**options: Any) -> dict[str, Any]:
    """The given options of tone, after their profile was put into the cache of this process and its children."""
    config = ModelConfig("tone", options=options)
    model = tone.Tone(ModelConfig("tone", options=options | {"slow_file": ""}))
    key = calibration.key_of(config, model.info)
    if ProfileCache().get(key) is None:
        with pytest.MonkeyPatch.context() as patch:
            clock = _Clock()
            patch.setattr(calibration, "time", clock)
            patch.setattr(tone, "time", clock)
            profile = calibration.calibrate(model, model.memory(), lambda resident: model.memory().total(), key)
        assert profile is not None
        ProfileCache().put(profile)
    return options
