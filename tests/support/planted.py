"""Models with one fault each, which a check of models has to find; otherwise they are `Tone`."""

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
    """A row is softer in a batch with more rows."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return [np.float32(1 - 0.02 * len(segments)) * wave for wave in super().speak(segments)]


class OrderLost(Tone):
    """Clips come in order of length, the longest first."""

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
    """A batch has the voice of the batch before."""

    last = 0

    def speak(self, segments: Sequence[Segment]) -> Waves:
        before, self.last = self.last, sum(map(ord, segments[-1].voice))
        return super().speak([replace(segment, seed=segment.seed + before) for segment in segments])


class RecordingIgnored(Tone):
    """The recordings of rows are not heard."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return super().speak([replace(segment, reference=None) for segment in segments])


class RecordingStays(Tone):
    """All rows of a batch have the recording of the first."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        return super().speak([replace(segment, reference=segments[0].reference) for segment in segments])


class ErrorSwallowed(Tone):
    """A row that cannot be spoken becomes silence."""

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
    """The model has two voices, and accepts any name for a voice."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        return replace(super().describe(config), voices=("sine", "saw"), default_voice="sine")


class Lenient(Tone):
    """The model accepts any folder as its weights."""


class Strict(Tone):
    """The model accepts a whole file with the tensors "a" and "b" as its weights, else it raises a clear error."""

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
    """The model finds wrong weights, and raises an error of a wrong class."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        try:
            return super().describe(config)
        except ModelError as error:
            if "weights.safetensors" in str(error):
                raise KeyError("a") from error
            raise


class Unwell(Tone):
    """The model raises an error that no model should raise."""

    def speak(self, segments: Sequence[Segment]) -> Waves:
        raise ZeroDivisionError("a frame of no length")
