"""What the acoustic networks of ChatTTS share: convolutions over time, ConvNeXt blocks, and masks of padding.

Guarantees that padding never enters a convolution: it is zero before each, as what lies beyond the end of a row that is
alone. Frames are [batch, time, channels] here, whatever the layout of the callers. Knows neither mel bands nor codes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

StateDict = Mapping[str, Tensor]

_EPS = 1e-6
SLICE = 16_384
"""Frames, over all rows, that are widened at once. It bounds memory; more at once is no faster."""


class Convolution:
    """Over time, x [batch, time, in] to [batch, time', out]; depthwise where the kernel has one input channel."""

    def __init__(self, state: StateDict, name: str, padding: int, dilation: int = 1, stride: int = 1) -> None:
        kernel = state[f"{name}.weight"]  # [out, in / groups, width]
        # An image of one row with its channels last in memory, which is how frames lie already: depthwise convolutions
        # on the CPU take a tenth of the time of conv1d, which copies to and fro.
        self._kernel = kernel[:, :, None].contiguous(memory_format=torch.channels_last)
        self._bias = state.get(f"{name}.bias")
        self._padding, self._dilation, self._stride = (0, padding), (1, dilation), (1, stride)

    def __call__(self, x: Tensor) -> Tensor:
        """Contiguous [batch, time', out]."""
        image = x.transpose(1, 2)[:, :, None]  # [batch, in, 1, time]
        groups = image.shape[1] // self._kernel.shape[1]
        out = F.conv2d(image, self._kernel, self._bias, self._stride, self._padding, self._dilation, groups)
        return out[:, :, 0].transpose(1, 2).contiguous()


class Linear:
    """Over the last axis, with bias."""

    def __init__(self, state: StateDict, name: str) -> None:
        self._weight, self._bias = state[f"{name}.weight"], state[f"{name}.bias"]

    def __call__(self, x: Tensor) -> Tensor:
        """[..., out] of x [..., in]."""
        return F.linear(x, self._weight, self._bias)


class LayerNorm:
    """Over the last axis, with weight and bias."""

    def __init__(self, state: StateDict, name: str) -> None:
        self._weight, self._bias = state[f"{name}.weight"], state[f"{name}.bias"]

    def __call__(self, x: Tensor) -> Tensor:
        """Of the shape of x."""
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, _EPS)


class ConvNeXt:
    """x + scaled MLP of the normed depthwise convolution of x (https://arxiv.org/abs/2201.03545), over time."""

    def __init__(self, state: StateDict, name: str, scale: str, dilation: int) -> None:
        """`scale` is what the file calls the scale of each channel."""
        self._conv = Convolution(state, f"{name}.dwconv", padding=3 * dilation, dilation=dilation)
        self._norm = LayerNorm(state, f"{name}.norm")
        self._widen, self._narrow = Linear(state, f"{name}.pwconv1"), Linear(state, f"{name}.pwconv2")
        self._scale = state[f"{name}.{scale}"]

    def add_to(self, x: Tensor, padding: Tensor | None) -> None:
        """Add to x [batch, time, channels], contiguous, in place; padding is zero again afterwards."""
        frames = x.view(-1, x.shape[2])
        mixed = self._conv(x).view_as(frames)
        for into, part in zip(frames.split(SLICE), mixed.split(SLICE), strict=True):
            into.addcmul_(self._narrow(F.gelu(self._widen(self._norm(part)))), self._scale)
        clear(x, padding)


def padding_of(x: Tensor, lengths: Tensor, least: int = 1) -> Tensor | None:
    """Bool [batch, time, 1], true where x [batch, time, channels] is padding; None where no row is padded.

    Args:
        lengths: int64 [batch], on any device; on a GPU this waits for them

    Raises:
        ValueError: If there is no row, or a length is below `least` or above time
    """
    batch, time = x.shape[:2]
    known = [int(length) for length in lengths.tolist()]
    if not known or len(known) != batch:
        raise ValueError(f"{len(known)} lengths for {batch} rows; allowed: one for each of at least one row")
    for row, length in enumerate(known):
        if not least <= length <= time:
            raise ValueError(f"row {row} of the batch has length {length}; allowed: {least} to {time}")
    if min(known) == time:
        return None
    return (torch.arange(time, device=x.device) >= lengths.to(x.device)[:, None])[:, :, None]


def clear(x: Tensor, padding: Tensor | None) -> Tensor:
    """Itself: x [batch, time, channels], zero where it is padding."""
    return x if padding is None else x.masked_fill_(padding, 0)


def cleared(x: Tensor, padding: Tensor | None) -> Tensor:
    """As `clear`, of an x that is not ours to change; its padding may hold anything, NaN included."""
    return x if padding is None else x.masked_fill(padding, 0)
