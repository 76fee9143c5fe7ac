"""The input and the output of an engine: a record for each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .region import Region

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
        end_period, end_from: The end can be drawn only at steps whose number modulo `end_period` is at least `end_from`
        free_steps: Steps at the beginning that draw from all codes, whatever `top_p` and `top_k` say
    """

    temperature: tuple[float, ...] = (0.3,)
    top_p: float = 0.7
    top_k: int = 20
    penalty: float = 1.05
    min_steps: int = 0
    max_steps: int = 2_048
    end_period: int = 1
    end_from: int = 0
    free_steps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One row.

    Attributes:
        key: The caller's own number for it, returned with the result
        prompt: Embeddings that the row begins with: float [prompt length, hidden]; without a region at least one
        seed: Seed of all random numbers of the row: 0 … 2**63 - 1
        is_urgent: The row goes before others, which make room for it
        opening: Embeddings between the region and the first code, at least one: float [length, hidden]. None, unless
            the network has a region. All but the last are computed at once, and attend to what the first one may of the
            prompt
        is_whole: The prompt is complete; else it grows (`Engine.extend`), which takes a network with a region
        follow: Gives the row that continues this one, from all that was drawn so far, once this one has drawn its end
            and its prompt is complete; None ends it. The steps of both are one result under the key of this one. Called
            between two steps, by the thread that steps
    """

    key: int
    prompt: torch.Tensor
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    is_urgent: bool = False
    opening: torch.Tensor | None = None
    is_whole: bool = True
    follow: Callable[[Generated], Request | None] | None = None

    def num_positions(self, region: Region | None) -> int:
        """The most positions that the row may need.

        Raises:
            ValueError: The prompt or the opening does not fit to the region, or its absence
        """
        if region is None:
            if self.opening is not None or not self.is_whole:
                raise ValueError("an opening, or a prompt that grows, needs a network with a region")
            return len(self.prompt) + self.sampling.max_steps
        if len(self.prompt) > region.size:
            raise ValueError(f"a prompt of {len(self.prompt)} positions does not fit into a region of {region.size}")
        if self.opening is None or not len(self.opening):
            raise ValueError("a row of a network with a region needs an opening of at least one input")
        return region.size + len(self.opening) + self.sampling.max_steps


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """A row that has ended.

    Attributes:
        codes: int64 [steps, codebooks], the end not included
        hiddens: Float [steps, hidden]: the hidden states that the codes of each step were drawn from; [steps, 0] if the
            engine does not keep them
        is_complete: Whether the row drew its end; False if it was cut off at `max_steps`
    """

    key: int
    codes: torch.Tensor
    hiddens: torch.Tensor
    is_complete: bool

    @property
    def num_steps(self) -> int:
        return len(self.codes)
