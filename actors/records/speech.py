"""What is asked of a model that is listened to while it speaks, and what comes back, through all layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SpeechInput:
    """What is to be spoken, and how.

    Attributes:
        voice: Of the model; "" is its own default
        seed: 0 … 2**63 - 1
        speed: Within the model's bounds
        reference: A recording to speak with the voice of, in place of `voice`
    """

    text: str
    voice: str = ""
    seed: int = 0
    speed: float = 1.0
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of the sound.

    Attributes:
        samples: float32 [num_samples] in -1 … 1 at the model's sample rate
        timings: Seconds by part ("queue", "text", "speech", or "prefill", "steps", "vocoder"), with the first one only
    """

    samples: NDArray[np.float32]
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
