"""What speaks, as the HTTP application sees it: a script in, pieces of sound out, each as soon as it is there.

Standard library and numpy's types only. Not known here: HTTP, Ray, or where the model runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ...actors.models.base import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be spoken, and how; valid for the model that is asked.

    voice   a voice of the model, never ""
    seed    0 … 2**63 - 1
    speed   within the model's bounds
    """

    text: str
    voice: str
    seed: int
    speed: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the sound.

    samples   float32 [num_samples] in -1 … 1 at the model's sample rate
    timings   seconds by part ("queue", "text", "speech", or "prefill", "steps", "vocoder"), with the first piece only
    """

    samples: NDArray[np.float32]
    timings: Mapping[str, float] = field(default_factory=dict[str, float])


class Synthesizer(Protocol):
    """A model somewhere that can speak several scripts at once."""

    @property
    def info(self) -> ModelInfo:
        """The model."""
        ...

    def speak(self, script: Script, /) -> AsyncGenerator[Piece, None]:
        """Speak a script. Closing the generator, or cancelling who waits for it, ends the work for it at once; what it
        does then should not take long, for it may be cancelled as well.

        Raises while it is read: RowError for a text that cannot be spoken, ReplicasLost when what spoke it died.
        """
        ...

    async def is_ready(self) -> bool:
        """Whether a script would be spoken right away: the model is loaded and warm."""
        ...
