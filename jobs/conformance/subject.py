"""A model under examination, and what a law says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...actors.models.base import Model, ModelConfig, ModelInfo
from ...actors.records.utterance import Segment, Utterance
from ...actors.text.splitting import fit_segments


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
        return made

    @property
    def voices(self) -> tuple[str, ...]:
        """Two voices, or fewer if the model has fewer. Where any name is allowed, two names."""
        names = self.info.voices or ("seed:1", "seed:2")
        return tuple(dict.fromkeys((self.info.default_voice, *names) if self.info.voices else names))[:2]
