"""The interface of the HTTP application to a model: a text in, chunks of audio out, each as soon as it is ready."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from ...actors.models.base import ModelInfo
from ...actors.records.speech import AudioChunk, SpeechInput


class Synthesizer(Protocol):
    """A model that can speak several texts at once."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        """Speak a text. To end the work early, close the generator or cancel the task that waits for it.

        The closing should take little time, because it may be cancelled, too.

        Args:
            speech: An input that is valid for the model, with a voice

        Raises:
            RowError: The text cannot be spoken; raised while the chunks are read
            ReplicasLost: The replica died; raised while the chunks are read
        """
        ...

    async def is_ready(self) -> bool:
        """Whether the model is loaded and warm, so that it speaks a text right away."""
        ...
