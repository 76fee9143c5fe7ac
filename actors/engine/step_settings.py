"""The constant settings of a step-by-step model. Pure: no torch, no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .chunks import ChunkPolicy

Task = Literal["speak", "refine"]
"""The purpose of rows: "speak" draws codes that become audio, "refine" tokens that become text."""


@dataclass(frozen=True, slots=True)
class StepTiming:
    """The relation of steps and samples: step t starts at sample t * `step_samples`.

    Attributes:
        short_samples: Samples that the last step of a row lacks, because they need a following step; 0 for none
        sample_rate: Hz
    """

    step_samples: int
    short_samples: int
    sample_rate: int

    def num_samples(self, steps: int) -> int:
        """Samples of a row of `steps` steps, at least 1."""
        return steps * self.step_samples - self.short_samples

    def seconds(self, steps: int) -> float:
        """Seconds of so many whole steps."""
        return steps * self.step_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class StepSettings:
    """Settings that stay the same while a step-by-step model is loaded.

    Attributes:
        name: Name of the model, for measurements that are kept on disk
        device: "cpu" or "cuda"
        timing: The relation of steps and samples
        decodes: The input of `decode`: the "hiddens" that codes were drawn from, or the "codes"
        decode_step_bytes: Memory that decoding takes for each step of a batch
        streaming: The sizes of the chunks of a stream
        is_deterministic: Every step computes all slots, and each prompt and each row's audio is computed by itself, so
            that no bit of a row depends on another row
        keeps_incomplete: A row that is cut off at its `max_steps` is kept; else it fails
        looks_at_all: Draws of speech often look at all codes (`step.shape.looks_at_all`)
        advice: Advice to the user about such a row, after a colon in the message
        facts: All that the time of a step depends on besides number format and threads: sizes, compilation
    """

    name: str
    device: str
    timing: StepTiming
    decodes: Literal["hiddens", "codes"] = "codes"
    decode_step_bytes: int = 96 * 1024
    streaming: ChunkPolicy = field(default_factory=ChunkPolicy)
    is_deterministic: bool = False
    keeps_incomplete: bool = False
    looks_at_all: bool = False
    advice: str = "try another seed or a shorter text"
    facts: Mapping[str, object] = field(default_factory=dict)
