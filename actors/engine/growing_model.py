"""A step-by-step model whose text may arrive while it is spoken, written as a few hooks.

Guaranteed: what is drawn depends on the tokens and the seed alone. A text that is there, in a job or in a stream, is
spoken in the same rows as one that arrives, and so draws the same codes. Importing this module imports no torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import ModelError, RowError
from ..records.stream_handle import StreamHandle
from ..records.text_channel import TextSource
from ..records.utterance import Segment
from .growth import GrowingRows, Growth
from .request import Sampling
from .step_settings import Task
from .stepwise_model import StepwiseModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class GrowingModel(StepwiseModel):
    """A model whose network has a region, in which the prompt of a row grows.

    It gives the hook `grow` in place of `prompt`, `opening` and `sampling`, and its `info` says `takes_arriving_text`.
    """

    @abstractmethod
    def grow(self, segment: Segment) -> GrowingRows:
        """The rows of a speech, before any of its text.

        Args:
            segment: Voice, seed, index, attempt and speed of the speech; its text and its tokens are fed afterwards

        Raises:
            RowError: The voice is wrong
        """

    def prompt(self, segment: Segment, task: Task) -> Tensor:
        """No hook of this model."""
        raise ModelError(f"model {self.info.name} has no task {task}")

    def sampling(self, segment: Segment, task: Task) -> Sampling:
        """No hook of this model."""
        raise ModelError(f"model {self.info.name} has no task {task}")

    def speak_rows(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float32] | RowError]]:
        """Speak segments; each comes back once as it ends, with float32 [num_samples] or a RowError."""
        requests = [replace(self._whole(segment).start(), key=number) for number, segment in enumerate(segments)]
        for number, outcome in self._ready.speak(requests):
            yield segments[number], outcome

    def stream(self, segment: Segment, listener: StreamHandle) -> Generator[NDArray[np.float32]]:
        """Speak one segment before all rows of jobs: pieces of its waveform as they are drawn."""
        yield from self._ready.stream(self._whole(segment).start(), listener)

    def stream_arriving(
        self, segment: Segment, text: TextSource, listener: StreamHandle
    ) -> Generator[NDArray[np.float32]]:
        """Speak a text that arrives before all rows of jobs: pieces of its waveform as they are drawn."""
        growth = Growth(self.grow(segment), text, lambda part: self.tokens_of(part, segment.voice))
        yield from self._ready.stream_growing(growth, listener)

    def tokens_of(self, part: str, voice: str) -> Sequence[int]:
        """Tokens of a part of a text that arrives; by default those of `prepare`, which are none for a mark alone.

        Raises:
            RowError: The part cannot be spoken
        """
        return self.prepare(part, voice).tokens

    def _whole(self, segment: Segment) -> Growth:
        """The rows of a segment, with all of its tokens."""
        rows = self.grow(segment)
        rows.feed(segment.tokens, is_last=True)
        return Growth(rows)
