"""The input and the output of an engine: a record for each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the codes of one row are drawn.

    Attributes:
        temperature: A value for each codebook, or one for all; above 0
        top_p, top_k: Limits on the likeliest codes to draw from: a share of the probability, and a number
        penalty: Repetition penalty for codes that the row has drawn in its last 16 steps; 1 for none
        min_steps: Steps before which the end cannot be drawn
        max_steps: Steps at which the row is cut off
    """

    temperature: tuple[float, ...] = (0.3,)
    top_p: float = 0.7
    top_k: int = 20
    penalty: float = 1.05
    min_steps: int = 0
    max_steps: int = 2_048


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One row.

    Attributes:
        key: The caller's own number for it, returned with the result
        prompt: Embeddings that the row begins with: float [prompt length, hidden]
        seed: Seed of all random numbers of the row: 0 … 2**63 - 1
        is_urgent: The row goes before others, which make room for it
    """

    key: int
    prompt: torch.Tensor
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    is_urgent: bool = False

    @property
    def num_positions(self) -> int:
        """The most positions that the row may need."""
        return len(self.prompt) + self.sampling.max_steps


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """A row that has ended.

    Attributes:
        codes: int64 [steps, codebooks], the end not included
        hiddens: Float [steps, hidden]: the hidden states that the codes of each step were drawn from
        is_complete: Whether the row drew its end; False if it was cut off at `max_steps`
    """

    key: int
    codes: torch.Tensor
    hiddens: torch.Tensor
    is_complete: bool

    @property
    def num_steps(self) -> int:
        return len(self.codes)
