"""The interface of the engine to an autoregressive model."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .cache import Cache


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
