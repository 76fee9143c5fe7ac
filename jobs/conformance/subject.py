"""A model under examination, and what a law says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...actors.models.base import Model, ModelConfig, ModelInfo
from ...actors.records.reference import Reference
from ...actors.records.utterance import Segment, Utterance
from ...actors.text.splitting import fit_segments, split_text

_RATE = 22_050
"""Hz of made recordings: a rate that few models have."""


class Broken(Exception):
    """A law is not kept; the message says what was found."""


class Skipped(Exception):
    """A law that does not concern this model; the message says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model, and sentences that it can speak."""

    config: ModelConfig
    model: Model
    texts: tuple[str, ...]

    @property
    def info(self) -> ModelInfo:
        return self.model.info

    def segments(self, texts: Sequence[str] | None = None, voice: str = "", speed: float = 1.0) -> list[Segment]:
        """One segment a text (the first, of a text that needs more), with seeds of their own."""
        made: list[Segment] = []
        for row, text in enumerate(self.texts if texts is None else texts):
            utterance = Utterance(row, str(row), text, seed=1_000 + row, voice=voice, speed=speed)
            made += fit_segments(utterance, self.info.split_chars, self.info.max_length, self.model.prepare)[:1]
        preset = self.model.preset(voice or self.info.default_voice)
        return made if preset is None else [replace(segment, reference=preset) for segment in made]

    def cloned(self, text: str, hz: float, row: int) -> Segment:
        """A segment of a text with the voice of a made recording, whose pitch this is; the seed is the same for all.

        Raises:
            RowError: The model takes no such recording
        """
        import numpy as np

        shortest_s, longest_s = self.info.reference_s
        time_s = np.arange(round(min(max(1.5, shortest_s), longest_s) * _RATE)) / _RATE
        wave = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 12)) * (0.1 + 0.1 * np.sin(20 * time_s))
        clip = Reference.of(np.asarray(wave, np.float32), _RATE, "Some words that are said.")
        (piece, *_) = split_text(text, self.info.split_chars, is_read=True)
        prepared = self.model.prepare_like(clip, "", piece, self.info.default_voice)
        return Segment(row, 0, piece, prepared, 1_000, self.info.default_voice, 1.0, reference=clip)

    @property
    def voices(self) -> tuple[str, ...]:
        """Two voices, or fewer if the model has fewer. Where any name is allowed, two names."""
        names = self.info.voices or ("seed:1", "seed:2")
        return tuple(dict.fromkeys((self.info.default_voice, *names) if self.info.voices else names))[:2]
