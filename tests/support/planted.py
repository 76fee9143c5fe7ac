"""Models with a fault each, that a check of models has to find; all else is that of `Tone`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechmill.actors.models.base import ModelConfig, ModelInfo
from speechmill.actors.models.chattts.checkpoint.safetensors_file import read_header
from speechmill.actors.models.tone import Tone
from speechmill.actors.records.utterance import Segment
from speechmill.errors import ModelError, RowRejected

Waves = list[NDArray[np.float32]]


class MatesMatter(Tone):
    """A row is softer the more others are in its batch."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return [np.float32(1 - 0.02 * len(segments)) * wave for wave in super().speak(segments)]


class OrderLost(Tone):
    """Clips come with the longest first, as the network had them."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return sorted(super().speak(segments), key=len, reverse=True)


class SeedIgnored(Tone):
    """Every row has the same seed."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return super().speak([replace(segment, seed=1) for segment in segments])


class VoiceLeaks(Tone):
    """The voice of the first row is that of the whole batch."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        pitch = sum(map(ord, segments[0].voice))
        return super().speak([replace(segment, seed=segment.seed + pitch) for segment in segments])


class VoiceStays(Tone):
    """The voice that was spoken before is heard in the next batch."""

    last = 0

    def speak(self, segments: Sequence[Segment]) -> Waves:
        before, self.last = self.last, sum(map(ord, segments[-1].voice))
        return super().speak([replace(segment, seed=segment.seed + before) for segment in segments])


class ErrorSwallowed(Tone):
    """What cannot be spoken is silence."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        waves: Waves = []
        for segment in segments:
            try:
                if "?" in segment.text:
                    raise RowRejected("there is no sound for ?")
                waves += super().speak([segment])
            except RowRejected:
                waves.append(np.zeros(800, np.float32))
        return waves


class AnythingGoes(Tone):
    """It has two voices, and takes any name for one of them."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        return replace(super().describe(config), voices=("sine", "saw"), default_voice="sine")


class Lenient(Tone):
    """It takes any folder for its weights."""


class Strict(Tone):
    """Its weights are one whole file of tensors "a" and "b", or it says what is wrong."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        info = super().describe(config)
        file = Path(config.path or "") / "weights.safetensors"
        try:
            names = set(read_header(file))
        except (OSError, ValueError) as error:
            raise ModelError(f"{file} cannot be read: {error}") from error
        if names != {"a", "b"}:
            raise ModelError(f"{file} has the tensors {names}")
        return info


class Careless(Strict):
    """It sees that something is wrong, and raises what it likes."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        try:
            return super().describe(config)
        except ModelError as error:
            if "weights.safetensors" in str(error):
                raise KeyError("a") from error
            raise


class Unwell(Tone):
    """It raises what no model should."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        raise ZeroDivisionError("a frame of no length")
