"""The interface of the HTTP application to a model: a text in, chunks of audio out, each as soon as it is ready.

The text may be there (`Synthesizer.speak`), or arrive while the first of it is spoken (`Synthesizer.open`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from ...actors.models.base import ModelInfo
from ...actors.records.speech import AudioChunk, SpeechInput


class OpenSpeech(Protocol):
    """A speech whose text arrives while it is spoken.

    One task feeds it, and another one reads its chunks. Nothing is done before the first chunk is asked for: until then
    `feed` waits.
    """

    async def feed(self, text: str, /) -> None:
        """Add to the text; any cut is right, also within a word. Waits while much of the text is still to be spoken.

        After the chunks have ended or were closed, the text is thrown away.

        Raises:
            ValueError: The text has ended
            ReplicasLost: The replica died
        """
        ...

    async def end(self) -> None:
        """The text is complete: the rest of it is spoken, then the chunks end.

        Raises:
            ReplicasLost: The replica died
        """
        ...

    def chunks(self) -> AsyncGenerator[AudioChunk, None]:
        """The audio, each chunk as soon as it is ready; once only. Ends and raises as `Synthesizer.speak` does.

        Close it to end the work early: waiting calls of `feed` then return.
        """
        ...


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

    def open(self, speech: SpeechInput, /) -> OpenSpeech:
        """Speak a text that arrives: by clause, or word by word if the model can.

        Args:
            speech: Voice, seed and speed, valid for the model; `text` is what is there already, or ""
        """
        ...

    async def is_ready(self) -> bool:
        """Whether the model is loaded and warm, so that it speaks a text right away."""
        ...
