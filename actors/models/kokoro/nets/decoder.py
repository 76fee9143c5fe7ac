"""From phonemes, pitch and energy along frames to the waveform: a decoder at 40 and 80 Hz, a generator up to 4,800 Hz.

Guarantees that a row of a batch equals the row alone but for rounding. Nearly all arithmetic of the model is here, in
its convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Convolution, ResidualBlock, SnakeBlock, Upsampling
from .harmonics import BINS, HarmonicSource, Transform
from .sizes import Sizes
from .span import Span

_RATES = (10, 6)


class Generator(nn.Module):
    """The decoder's output and the source, raised to 4,800 Hz in two stages, to a spectrum, to a waveform."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        whole, half, quarter = sizes.generator, sizes.generator // 2, sizes.generator // 4
        self.m_source = HarmonicSource()
        self.ups = nn.ModuleList([Upsampling(whole, half, 20, _RATES[0]), Upsampling(half, quarter, 12, _RATES[1])])
        self.noise_convs = nn.ModuleList([nn.Conv1d(2 * BINS, half, 12, _RATES[1], 3), nn.Conv1d(2 * BINS, quarter, 1)])
        self.noise_res = nn.ModuleList([SnakeBlock(sizes.style, half, 7), SnakeBlock(sizes.style, quarter, 11)])
        widths = (half, half, half, quarter, quarter, quarter)
        kernels = (3, 7, 11, 3, 7, 11)
        blocks = [SnakeBlock(sizes.style, width, kernel) for width, kernel in zip(widths, kernels, strict=True)]
        self.resblocks = nn.ModuleList(blocks)
        self.conv_post = nn.Conv1d(quarter, 2 * BINS, 7, padding=3)
        self.transform = Transform()

    def forward(self, x: Tensor, f0: Tensor, noise: Tensor, style: Tensor, half: Span) -> Tensor:
        """[batch, 300 * half.size] at 24 kHz, of `conv_post`'s number format; nothing meant past the end of a row.

        Args:
            x: [batch, sizes.generator, half.size]
            f0: float64 [batch, half.size], Hz
            noise: float32 [batch, 300 * half.size]
        """
        coarse, fine = half.times(10), half.times(60, plus=1)
        source = self.transform.analyse(self.m_source(f0, noise), fine.to(torch.float64)).to(x.dtype)
        for stage, span in enumerate((coarse, fine)):
            x = self.ups[stage](F.leaky_relu(x, 0.1))
            if stage == 1:
                x = torch.cat((x[:, :, 1:2], x), 2)  # mirrored to the left: the spectrum has a hop more
            x = span.clear(x + self.noise_res[stage](self.noise_convs[stage](source), style, span))
            first, second, third = self.resblocks[3 * stage : 3 * stage + 3]
            x = (first(x, style, span) + second(x, style, span) + third(x, style, span)) / 3
        x = self.conv_post(F.leaky_relu(x, 0.01).to(self.conv_post.weight.dtype))
        return self.transform.synthesise(torch.exp(x[:, :BINS]), torch.sin(x[:, BINS:]), fine)


class Decoder(nn.Module):
    """What is said and how, per frame, to the waveform."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, beside = 2 * sizes.hidden, sizes.hidden // 8
        with_curves = width + beside + 2
        self.F0_conv, self.N_conv = nn.Conv1d(1, 1, 3, 2, 1), nn.Conv1d(1, 1, 3, 2, 1)
        self.asr_res = nn.Sequential(Convolution(sizes.hidden, beside, 1))
        self.encode = ResidualBlock(sizes.style, sizes.hidden + 2, width)
        blocks = [ResidualBlock(sizes.style, with_curves, width) for _ in range(3)]
        self.decode = nn.ModuleList([*blocks, ResidualBlock(sizes.style, with_curves, sizes.generator, doubles=True)])
        self.generator = Generator(sizes)

    def forward(
        self, text: Tensor, f0: Tensor, energy: Tensor, noise: Tensor, style: Tensor, span: Span, half: Span
    ) -> Tensor:
        """[batch, 600 * span.size] at 24 kHz; what lies past the end of a row is not to be used.

        Args:
            text: [batch, hidden, span.size], what is said in each frame
            f0: float64 [batch, half.size], Hz; `energy` likewise
            noise: float32 [batch, 600 * span.size]
            style: [batch, sizes.style]
        """
        curves = [self.F0_conv(f0[:, None].to(text.dtype)), self.N_conv(energy[:, None].to(text.dtype))]
        beside = [self.asr_res(text), *curves]
        x = self.encode(torch.cat((text, *curves), 1), style, span, span)
        for block, after in zip(self.decode, (span, span, span, half), strict=True):
            x = block(torch.cat((x, *beside), 1), style, span, after)
        return self.generator(x, f0, noise, style, half)
