"""The interface of the engine to an autoregressive model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from .cache import Cache
from .region import Region


class Network(Protocol):
    """An autoregressive model, for the engine.

    Attributes:
        num_codebooks: Codes drawn at each step
        vocabulary: Number of different codes in a codebook
        end: The code that ends a row
        hidden, dtype: Width and number format of hidden states
        position_bytes: Bytes in the cache for one position of one row
    """

    num_codebooks: int
    vocabulary: int
    end: int
    hidden: int
    dtype: torch.dtype
    position_bytes: int

    def cache(self, slots: int, positions: int) -> Cache:
        """A cache for the keys and values of this many rows."""
        ...

    def embed(self, codes: Tensor) -> Tensor:
        """Codes int64 [rows, codebooks] as input: float [rows, hidden]."""
        ...

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states of inputs `x`, both float [rows, time, hidden]; the rows are in the slots from `first` on.

        Args:
            starts: int64 [rows]: the position of each row's first input. An input attends to its own position and all
                before it
            reach: The first positions of the cache to attend to: no row holds more
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary] of hidden states [rows, hidden]."""
        ...


@runtime_checkable
class RegionNetwork(Network, Protocol):
    """A network whose rows have a region for their prompts.

    Attributes:
        region: The same for all rows
    """

    region: Region

    def hiddens(
        self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int, seen: Tensor | None = None
    ) -> Tensor:
        """As `Network.hiddens`, but an input behind the region attends to a part of the prompt alone: `Attended`.

        Args:
            seen: int64 [rows]: the positions of its prompt that a row's inputs behind the region attend to; None if
                only the time of a step is measured
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """The positions that inputs attend to: the first `shown` ones, and those from `behind` on up to their own.

    Attributes:
        at: int64 [rows, time]: the positions of the inputs
        shown: int64 [rows, time], at least 1 and at most `at` + 1; None for all up to their own
        behind: The same for all inputs; not looked at where `shown` is None
    """

    at: Tensor
    shown: Tensor | None = None
    behind: int = 0

    @classmethod
    def in_region(cls, at: Tensor, region: Region, seen: Tensor | None) -> Attended:
        """An input of the prompt attends to the prompt up to itself; one behind the region to a part of the prompt.

        That part is the first `seen` positions. Beside it the input attends to all that stands behind the region up to
        itself but `region.num_hidden`.

        Args:
            at: int64 [rows, time]: the positions of the inputs
            seen: int64 [rows]; None for the whole region
        """
        part = region.size if seen is None else seen[:, None]
        return cls(at, torch.where(at < region.size, at + 1, part), region.size + region.num_hidden)

    def mask(self, reach: int) -> Tensor:
        """Bool [rows, time, reach], true where an input attends to a position of the first ones."""
        columns = torch.arange(reach, device=self.at.device)
        is_before = columns <= self.at[..., None]
        if self.shown is None:
            return is_before
        return is_before & ((columns < self.shown[..., None]) | (columns >= self.behind))
