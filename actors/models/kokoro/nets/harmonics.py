"""The source that the generator shapes: harmonics of the pitch and noise, as a wave and as its spectrum.

Guarantees that a row's source is its own to the last bits, however it is batched: it is computed in float64, as phases
are sums over the whole row, and the angles of the spectrum jump by 2 pi where rounding differs. Where an angle has to
be 0 or pi, and its sign would be that of a rounding error, it is +0 or +pi: in the first and last bin, and in the first
hop of a row, which the mirrored edge makes symmetric. (At a row's end the mirror is a sample off: its last hop is not.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .span import Span

SAMPLE_RATE = 24_000
HALF_FRAME = 300
"""Samples of a half frame, the step of pitch and noise."""
HOP, SIZE, BINS = 5, 20, 11
NUM_HARMONICS = 9
_SINE, _VOICED_NOISE, _UNVOICED_NOISE = 0.1, 0.003, 0.1 / 3
_VOICED_HZ = 10.0


class HarmonicSource(nn.Module):
    """Nine sines and noise, merged into one wave."""

    def __init__(self) -> None:
        super().__init__()
        self.l_linear = nn.Linear(NUM_HARMONICS, 1)

    def forward(self, f0: Tensor, noise: Tensor) -> Tensor:
        """float64 [batch, 300 * half_frames].

        Args:
            f0: float64 [batch, half_frames], Hz; 10 or less is unvoiced
            noise: float32 [batch, 300 * half_frames], unit normal. Through the linear layer, nine independent normals
                are one, times the norm of its weights
        """
        weights = self.l_linear.weight[0].double()
        voiced = (f0 > _VOICED_HZ).double().repeat_interleave(HALF_FRAME, 1)
        wave = self._sines(f0, weights) * voiced
        loudness = _UNVOICED_NOISE + (_VOICED_NOISE - _UNVOICED_NOISE) * voiced
        wave.addcmul_(noise.double(), loudness.mul_(weights.norm()))
        return torch.tanh(wave.add_(self.l_linear.bias.double()))

    def _sines(self, f0: Tensor, weights: Tensor) -> Tensor:
        """Phase is linear between the middles of half frames, and constant before the first and after the last."""
        at = (torch.arange(HALF_FRAME, device=f0.device, dtype=torch.float64) + 0.5) / HALF_FRAME - 0.5
        to_before, to_after = (-at).clamp(min=0), at.clamp(min=0)
        total = f0.new_zeros(f0.shape[0], f0.shape[1], HALF_FRAME)
        for harmonic in range(1, NUM_HARMONICS + 1):
            step = (f0 * harmonic / SAMPLE_RATE) % 1  # cycles of a sample
            cycles = step.cumsum(1) * HALF_FRAME  # at the middle of each half frame
            before, after = F.pad(-step[:, 1:], (1, 0)), F.pad(step[:, 1:], (0, 1))
            slope = before[:, :, None] * to_before + after[:, :, None] * to_after
            phase = (cycles[:, :, None] + slope * HALF_FRAME) % 1
            total += torch.sin(phase * (2 * math.pi)) * (weights[harmonic - 1] * _SINE)
        return total.flatten(1)


class Transform(nn.Module):
    """The short-time Fourier transform and its inverse: size 20, hop 5, Hann, centred, with mirrored edges."""

    analysis: Tensor
    synthesis: Tensor
    inside: Tensor
    first: Tensor
    last: Tensor

    def __init__(self) -> None:
        super().__init__()
        grid = torch.outer(torch.arange(BINS).double(), torch.arange(SIZE).double())
        angle = 2 * math.pi * grid / SIZE
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(SIZE).double() / SIZE)
        both = torch.full((BINS, 1), 2.0, dtype=torch.float64)
        both[0] = both[-1] = 1.0
        squares = (window * window).view(SIZE // HOP, HOP)
        total = squares.sum(0)  # 1.5, except at the ends of a row, where a hop is missing
        for name, value in (
            ("analysis", torch.cat((angle.cos(), -angle.sin())).mul(window).T.contiguous()),  # [20, 22]
            ("synthesis", torch.cat((angle.cos() * both, -angle.sin() * both)).mul(window / SIZE)),  # [22, 20]
            ("inside", 1 / total),
            ("first", total / squares[:3].sum(0)),
            ("last", total / squares[1:].sum(0)),
        ):
            self.register_buffer(name, value, persistent=False)

    def analyse(self, wave: Tensor, hops: Span) -> Tensor:
        """Magnitudes and angles of every hop: float64 [batch, 22, hops.size], zeros past the end of a row.

        Args:
            wave: float64 [batch, 5 * (hops.size - 1)]
        """
        half = SIZE // 2
        end = (hops.counts[:, 0].long() - 1) * HOP
        away = torch.arange(half, device=wave.device)
        padded = F.pad(wave, (half, half))
        padded[:, :half] = wave[:, 1 : half + 1].flip(1)
        padded = padded.scatter(1, end + half + away, wave.gather(1, end - 2 - away))
        spectrum = (padded.unfold(1, SIZE, HOP) @ self.analysis).transpose(1, 2)
        real, imaginary = spectrum[:, :BINS], spectrum[:, BINS:].clone()
        imaginary[:, 0] = imaginary[:, -1] = imaginary[:, :, 0] = 0
        return hops.clear(torch.cat((torch.hypot(real, imaginary), torch.atan2(imaginary, real)), 1))

    def synthesise(self, magnitude: Tensor, angle: Tensor, hops: Span) -> Tensor:
        """The wave [batch, 5 * (hops.size - 1)] of magnitudes and angles [batch, 11, hops.size].

        Right at both ends of a row; past its end there is no silence.
        """
        spectrum = hops.clear(torch.cat((magnitude * torch.cos(angle), magnitude * torch.sin(angle)), 1))
        batch, _, count = spectrum.shape
        parts = (spectrum.transpose(1, 2) @ self.synthesis.to(spectrum)).view(batch, count, SIZE // HOP, HOP)
        blocks = parts.new_zeros(batch, count + SIZE // HOP - 1, HOP)
        for shift in range(SIZE // HOP):
            blocks[:, shift : count + shift] += parts[:, :, shift]
        blocks *= self.inside
        blocks[:, 2] *= self.first
        blocks[torch.arange(batch, device=blocks.device), hops.counts[:, 0, 0].long()] *= self.last
        return blocks[:, 2 : count + 1].reshape(batch, -1)
