"""An autoregressive model as the engine sees it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .cache import Cache


class Network(Protocol):
    """An autoregressive model as the engine sees it.

    Attributes:
        num_codebooks, vocabulary, end: Codes drawn at each step, how many there are of each, and which of them is the
            end
        hidden, dtype: Width and number format of hidden states
        position_bytes: What the cache takes for one position of one row
    """

    num_codebooks: int
    vocabulary: int
    end: int
    hidden: int
    dtype: torch.dtype
    position_bytes: int

    def cache(self, slots: int, positions: int) -> Cache:
        """Room for the keys and values of this many rows."""
        ...

    def embed(self, codes: Tensor) -> Tensor:
        """Codes int64 [rows, codebooks] as input: float [rows, hidden]."""
        ...

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states of inputs x, both float [rows, time, hidden], the rows lying in the slots from `first` on.

        Args:
            starts: int64 [rows]: the position of each row's first input; an input sees its own position and those
                before
            reach: Positions of the cache to look at: no row holds more
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary] of hidden states [rows, hidden]."""
        ...
