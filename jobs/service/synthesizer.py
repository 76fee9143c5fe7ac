"""What speaks, as the HTTP application sees it: a text in, chunks of sound out, each as soon as it is there.

Not known here: HTTP, Ray, or where the model runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from ...actors.models.base import ModelInfo
from ...actors.records.speech import AudioChunk, SpeechInput


class Synthesizer(Protocol):
    """A model somewhere that can speak several texts at once."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def speak(self, speech: SpeechInput, /) -> AsyncGenerator[AudioChunk, None]:
        """Speak a text. Closing the generator, or cancelling the task that waits for it, ends the work at once; the
        generator should then end soon, for it may be cancelled as well.

        Raises while it is read: RowError for a text that cannot be spoken, ReplicasLost when the replica died.

        Args:
            speech: Valid for the model, its voice named
        """
        ...

    async def is_ready(self) -> bool:
        """Whether a text would be spoken right away: the model is loaded and warm."""
        ...
