"""A model that costs what it is told to: the whole cluster is tested with it on a laptop.

Each row is a sine whose pitch comes from the row's seed and whose length comes from its text and speed. Time,
memory and faults follow the options, so that batching, balance and recovery can be tried without a GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ...errors import BatchOutOfMemory, ModelError, RowRejected, did_you_mean
from ..segment import Segment
from .base import BatchLimit, Model, ModelConfig, ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ToneOptions:
    """What `model.options` may hold.

    sample_rate      Hz
    audio_char_s     seconds of audio per character of text at speed 1
    batch_s, cell_s  seconds that a batch takes: batch_s + cell_s * rows * longest
    memory_cells     a batch of more cells than this is out of memory; 0 for no limit
    max_length       characters that one segment may have
    reject           a segment holding this text is refused: its row fails
    crash            a segment holding this text ends the process, as a faulty kernel would
    """

    sample_rate: int = 8_000
    audio_char_s: float = 0.06
    batch_s: float = 0.0
    cell_s: float = 0.0
    memory_cells: int = 0
    max_length: int = 400
    reject: str = ""
    crash: str = ""


class Tone(Model):
    """Sines in place of speech, with a cost, a memory limit and faults to order."""

    @classmethod
    def describe(cls, config: ModelConfig) -> ModelInfo:
        """The model under these options. Raises ModelError for an unknown or mistyped option."""
        options = _options(config)
        if config.backend not in ("auto", "numpy"):
            raise ModelError(f'model.backend "{config.backend}" does not exist for tone; leave it at "auto"')
        return ModelInfo(
            name="tone",
            revision="1",
            backend="numpy",
            sample_rate=options.sample_rate,
            voices=(),
            default_voice=config.voice or "sine",
            max_length=options.max_length,
            split_chars=options.max_length,
            batch_limit=BatchLimit(max_rows=64, max_cells=options.memory_cells or 16_384),
            base_s=max(options.batch_s / 64, 1e-6),
            char_s=max(options.cell_s, 1e-7),
            audio_char_s=options.audio_char_s,
        )

    def __init__(self, config: ModelConfig) -> None:
        self.info = self.describe(config)
        self._options = _options(config)

    def prepare(self, text: str, voice: str) -> tuple[int, ...]:
        """One token per character: its code point."""
        return tuple(map(ord, text))

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """Sines: float32 [num_samples] per segment, after the seconds and the faults that the options order."""
        options = self._options
        cells = len(segments) * max(segment.length for segment in segments)
        for segment in segments:
            if options.crash and options.crash in segment.text:
                os._exit(1)
            if options.reject and options.reject in segment.text:
                raise RowRejected(f"the text holds {options.reject!r}, which this model refuses")
        if options.memory_cells and cells > options.memory_cells:
            raise BatchOutOfMemory(f"{cells} cells are more than the {options.memory_cells} that fit")
        seconds = options.batch_s + options.cell_s * cells
        if seconds > 0:
            time.sleep(seconds)
        return [self._sine(segment) for segment in segments]

    def _sine(self, segment: Segment) -> NDArray[np.float32]:
        import numpy as np

        options = self._options
        num_samples = max(1, round(len(segment.text) * options.audio_char_s / segment.speed * options.sample_rate))
        pitch_hz = 110.0 + (segment.seed + segment.index) % 331
        phase = np.arange(num_samples, dtype=np.float64) * (2 * np.pi * pitch_hz / options.sample_rate)
        return (0.3 * np.sin(phase)).astype(np.float32)


def _options(config: ModelConfig) -> ToneOptions:
    types = {field.name: type(field.default) for field in fields(ToneOptions)}
    for name, value in config.options.items():
        if name not in types:
            raise ModelError(f"model.options.{name} is not an option of tone: {did_you_mean(name, types)}")
        allowed = (int, float) if types[name] is float else types[name]
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise ModelError(f"model.options.{name} is {value!r}; it must be of type {types[name].__name__}")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise ModelError(f"model.options.{name} is {value!r}; it must be 0 or more, and finite")
    if config.options.get("max_length", 1) == 0 or config.options.get("sample_rate", 1) == 0:
        raise ModelError("model.options.max_length and model.options.sample_rate must be above 0")
    return ToneOptions(**config.options)  # pyright: ignore[reportArgumentType]  # checked above
