"""What a step-by-step model says once of itself, before anything runs. Pure: no torch, no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .chunks import ChunkPolicy

Task = Literal["speak", "refine"]
"""What rows are drawn for: codes that become audio, or tokens that become text."""


@dataclass(frozen=True, slots=True)
class StepTiming:
    """How steps become samples: step t starts at sample t * `step_samples`.

    Attributes:
        short_samples: Samples that the last step of a row lacks, because its end needs a step that follows; 0 for none
        sample_rate: Hz
    """

    step_samples: int
    short_samples: int
    sample_rate: int

    def num_samples(self, steps: int) -> int:
        """Samples of a row of `steps` steps, at least 1."""
        return steps * self.step_samples - self.short_samples

    def seconds(self, steps: int) -> float:
        """Seconds that steps last, whole ones."""
        return steps * self.step_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class StepSettings:
    """What stays the same as long as a step-by-step model is loaded.

    Attributes:
        name: Of the model, for what is measured and kept on disk
        device: "cpu" or "cuda"
        timing: Samples of steps
        decodes: What `decode` takes of each step: the "hiddens" that codes were drawn from, or the "codes"
        decode_step_bytes: Memory that decoding takes for each step of a batch
        streaming: How a row that is streamed is cut into chunks
        is_deterministic: Every step computes all slots, each prompt and each row's audio by itself: no bit of a row
            depends on another row
        keeps_incomplete: A row that is cut off at its `max_steps` is kept; else it fails
        advice: What a user can do about such a row, behind a colon in the message
        facts: What the time of a step depends on besides number format and threads: sizes, compilation
    """

    name: str
    device: str
    timing: StepTiming
    decodes: Literal["hiddens", "codes"] = "codes"
    decode_step_bytes: int = 96 * 1024
    streaming: ChunkPolicy = field(default_factory=ChunkPolicy)
    is_deterministic: bool = False
    keeps_incomplete: bool = False
    advice: str = "try another seed or a shorter text"
    facts: Mapping[str, object] = field(default_factory=dict)
