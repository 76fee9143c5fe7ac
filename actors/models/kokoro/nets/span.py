"""Rows of several lengths in one padded tensor: how long each is at one rate, and how the rest is cleared.

Guarantees that a convolution, a sum over time or a recurrent layer that goes through a `Span` sees of each row what it
would see of that row alone. Lengths are kept on the host, so that asking for them never waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Span:
    """Lengths of the rows of a batch at one rate.

    Attributes:
        lengths: Steps of each row, on the host
        size: Steps of the longest: the padded tensor's last axis
        mask: [batch, 1, size], 1 inside a row and 0 past its end; None where no row is padded
        counts: [batch, 1, 1], the lengths as numbers to divide by
    """

    def __init__(self, lengths: Sequence[int], device: torch.device, dtype: torch.dtype) -> None:
        self.lengths = tuple(lengths)
        self.size = max(self.lengths)
        counts = torch.tensor(self.lengths, device=device)[:, None, None]
        inside = torch.arange(self.size, device=device) < counts
        self.counts = counts.to(dtype)
        self.mask = None if min(self.lengths) == self.size else inside.to(dtype)

    def times(self, factor: int, plus: int = 0) -> Span:
        """The same rows at a rate `factor` times as high, and `plus` steps more."""
        return Span([length * factor + plus for length in self.lengths], self.counts.device, self.counts.dtype)

    def to(self, dtype: torch.dtype) -> Span:
        """The same rows, for tensors of another number format."""
        return self if dtype == self.counts.dtype else Span(self.lengths, self.counts.device, dtype)

    def clear(self, x: Tensor) -> Tensor:
        """`x` [batch, channels, size] with zeros past the end of each row, as the next convolution pads with."""
        return x if self.mask is None else x * self.mask

    def clear_steps(self, x: Tensor) -> Tensor:
        """The same for `x` [batch, size, channels]."""
        return x if self.mask is None else x * self.mask.transpose(1, 2)

    def normalise(self, x: Tensor) -> Tensor:
        """`x` [batch, channels, size] with mean 0 and variance 1 over the length of each row; eps 1e-5."""
        if self.mask is None:
            return nn.functional.instance_norm(x)
        x = (x - (x * self.mask).sum(2, keepdim=True) / self.counts) * self.mask
        return x * torch.rsqrt(x.square().sum(2, keepdim=True) / self.counts + 1e-5)

    def run_lstm(self, lstm: nn.LSTM, x: Tensor) -> Tensor:
        """Both directions over each row's own length: [batch, size, in] to [batch, size, 2 * hidden], zeros after."""
        if self.mask is None:
            return lstm(x)[0]
        packed = pack_padded_sequence(x, torch.tensor(self.lengths), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=self.size)[0]
