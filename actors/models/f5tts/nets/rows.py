"""Rows of several lengths in one padded batch of frames: what is a row's own, and how the rest is left out.

Guarantees that a sum, a convolution or attention that goes through it sees of each row what it would see of the row
alone. Lengths are kept on the host, so that asking for them never waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Rows:
    """Lengths of the rows of a batch, in frames.

    Attributes:
        lengths: Of each row, on the host
        size: Of the longest: the padded tensor's time axis
        outside: Bool [batch, size, 1], true past the end of each row; None where no row is padded
        keys: Bool [batch, 1, 1, size], true for the frames that attention sees; None where it sees all
    """

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths = tuple(lengths)
        self.size = max(self.lengths)
        self.outside: Tensor | None = None
        self.keys: Tensor | None = None
        if min(self.lengths) < self.size:
            ends = torch.tensor(self.lengths, device=device)[:, None]
            inside = torch.arange(self.size, device=device) < ends
            self.outside, self.keys = ~inside[:, :, None], inside[:, None, None]

    def twice(self) -> Rows:
        """The same rows once more behind themselves, as guidance needs them."""
        doubled = Rows.__new__(Rows)
        doubled.lengths, doubled.size = 2 * self.lengths, self.size
        doubled.outside = None if self.outside is None else torch.cat((self.outside, self.outside))
        doubled.keys = None if self.keys is None else torch.cat((self.keys, self.keys))
        return doubled

    def clear(self, x: Tensor) -> Tensor:
        """`x` [batch, size, channels] with zeros past the end of each row, as the next convolution pads with."""
        return x if self.outside is None else x.masked_fill(self.outside, 0)
