"""The blocks that decoder, pitch and generator are made of: convolutions under a style, each row over its own length.

Guarantees zeros past the end of each row in what a block gives, where its input had them. The blocks are those of
StyleTTS 2 (https://arxiv.org/abs/2306.07691) and iSTFTNet (https://arxiv.org/abs/2203.02395).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .span import Span

_ROOT_HALF = math.sqrt(0.5)


class StyledNorm(nn.Module):
    """AdaIN: instance norm over each row's own length, scaled and shifted as the style has it."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor, span: Span) -> Tensor:
        """[batch, channels, size]; not zero past the end of a row, as the shift is not."""
        scale, shift = self.fc(style)[:, :, None].chunk(2, 1)
        return torch.addcmul(shift, span.normalise(x), 1 + scale)


class Convolution(nn.Conv1d):
    """A convolution that keeps the length, and may compute in fewer bits than what goes in and comes out."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=(kernel - 1) * dilation // 2, dilation=dilation, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype)).to(input.dtype)


class Upsampling(nn.ConvTranspose1d):
    """A transposed convolution to exactly `rate` times the length; number formats as in `Convolution`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rate: int, groups: int = 1) -> None:
        odd = (kernel - rate) % 2
        padding = (kernel - rate + odd) // 2
        super().__init__(inputs, outputs, kernel, rate, padding, output_padding=odd, groups=groups)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(input.to(self.weight.dtype), output_size).to(input.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions under a style beside a shortcut, at one rate, or to twice the rate."""

    def __init__(self, style: int, inputs: int, outputs: int, doubles: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = StyledNorm(style, inputs), StyledNorm(style, outputs)
        self.conv1, self.conv2 = Convolution(inputs, outputs, 3), Convolution(outputs, outputs, 3)
        self.conv1x1 = Convolution(inputs, outputs, 1, bias=False) if inputs != outputs else None
        self.pool = Upsampling(inputs, inputs, 3, 2, groups=inputs) if doubles else None

    def forward(self, x: Tensor, style: Tensor, span: Span, after: Span) -> Tensor:
        """[batch, inputs, span.size] to [batch, outputs, after.size]; `after` is `span`, or twice that."""
        inner = span.clear(F.leaky_relu(self.norm1(x, style, span), 0.2))
        if self.pool is not None:
            inner = after.clear(self.pool(inner))
            x = x.repeat_interleave(2, 2)
        inner = self.conv1(inner)
        inner = self.conv2(after.clear(F.leaky_relu(self.norm2(inner, style, after), 0.2)))
        if self.conv1x1 is not None:
            x = self.conv1x1(x)
        return after.clear((inner + x) * _ROOT_HALF)


class SnakeBlock(nn.Module):
    """Three pairs of convolutions under a style, each pair added to its input, with snake activations.

    snake(x) = x + sin(alpha x)^2 / alpha (https://arxiv.org/abs/2006.08195)
    """

    def __init__(self, style: int, channels: int, kernel: int) -> None:
        super().__init__()
        dilations = (1, 3, 5)
        self.convs1 = nn.ModuleList([Convolution(channels, channels, kernel, dilation) for dilation in dilations])
        self.convs2 = nn.ModuleList([Convolution(channels, channels, kernel) for _ in dilations])
        self.adain1 = nn.ModuleList([StyledNorm(style, channels) for _ in dilations])
        self.adain2 = nn.ModuleList([StyledNorm(style, channels) for _ in dilations])
        self.alpha1 = nn.ParameterList([torch.ones(1, channels, 1) for _ in dilations])
        self.alpha2 = nn.ParameterList([torch.ones(1, channels, 1) for _ in dilations])

    def forward(self, x: Tensor, style: Tensor, span: Span) -> Tensor:
        """[batch, channels, size] of the same shape."""
        for layer in range(3):
            inner = _snake(self.adain1[layer](x, style, span), self.alpha1[layer], span)
            inner = self.convs1[layer](inner)
            inner = _snake(self.adain2[layer](inner, style, span), self.alpha2[layer], span)
            x = x + self.convs2[layer](inner)
        return span.clear(x)


def _snake(x: Tensor, alpha: Tensor, span: Span) -> Tensor:
    return span.clear(torch.addcdiv(x, torch.sin(alpha * x).square_(), alpha))
