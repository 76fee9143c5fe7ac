"""From the network's spectrum and pitch to the waveform, for a padded batch, on any device.

Guarantees that a row sounds the same in every batch: its edges are treated at its own end. Works through the frames in
chunks, so that temporaries stay in the CPU's cache and memory on a GPU stays small however long the rows are.
Knows neither text nor weights: the spectrum of a chunk comes from a function, the noise from a table and its starts.

The spectrum of a frame is the sum of three parts, S = e^lh e^(i pi tanh theta) E + e^ln Z + e^lr e^(i phi), where E is
the spectrum of a pulse train at f0 and Z complex normal noise; the waveform is the inverse short-time Fourier transform
(size 1200, hop 300, Hann) of hibari-tts 0.2.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..noise import NoiseTable
from .row_synthesis import (
    BINS,
    HOP,
    LOUDEST,
    MAX_HZ,
    OVERLAP,
    PHASE_BITS,
    POLE,
    SAMPLE_RATE,
    SIZE,
    UNVOICED_HZ,
)

Ufunc = Callable[[Tensor], Tensor]


class Synthesis:
    """Constants of the transform on one device. `chunk` is the number of frames, over all rows, worked on at once."""

    def __init__(self, device: torch.device, chunk: int) -> None:
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(SIZE, dtype=torch.float64) / SIZE)
        squares = (window * window).view(OVERLAP, HOP)
        total = squares.sum(0)  # 1.5 everywhere, except at the ends of a row, where frames are missing
        edges = torch.stack((squares[:3].sum(0), squares[1:].sum(0), squares[2:].sum(0)))
        self._source_window = (window / (SIZE / 4)).float().to(device)
        self._window = (window / 1.5).float().to(device)
        self._first, self._last, self._end = (total / edges).float().to(device)
        self._ramps = _interpolation().to(device)
        self._noise = NoiseTable(BINS, device)
        self._chunk = chunk
        on_cpu = device.type == "cpu"
        # numpy's vectorised functions take a half to a seventh of the time of torch's on the CPU
        self._exp, self._sin = (_via_numpy(np.exp), _via_numpy(np.sin)) if on_cpu else (torch.exp, torch.sin)
        self._cos, self._tanh = (_via_numpy(np.cos), _via_numpy(np.tanh)) if on_cpu else (torch.cos, torch.tanh)

    def waveforms(
        self, spectrum: Callable[[int, int], Tensor], f0: Tensor, num_frames: Tensor, noise_starts: Tensor
    ) -> Tensor:
        """float32 [batch, max_frames * 300] at 24 kHz; a row is valid up to its own num_frames * 300 samples.

        Args:
            spectrum: Of frames a to b: float32 [batch, b - a, 5 * 601], the parts lh, theta, ln, lr, phi
            f0: float32 [batch, max_frames], Hz, below 40 unvoiced
            num_frames: int64 [batch], at least 3 each
            noise_starts: int64 [batch, max_frames], of `noise_table.table_starts`
        """
        batch, frames = f0.shape
        source = _reflect(self.pulses(f0, num_frames), num_frames).unfold(1, SIZE, HOP)  # [batch, frames + 1, 1200]
        is_frame = None if batch == 1 else torch.arange(frames, device=f0.device) < num_frames[:, None]
        blocks = f0.new_zeros(batch, frames + OVERLAP - 1, HOP)
        step = max(1, self._chunk // batch)
        for start in range(0, frames, step):
            end = min(start + step, frames)
            harmonic = torch.fft.rfft(source[:, start:end] * self._source_window)
            noise = self._noise.take(noise_starts[:, start:end])
            wave = torch.fft.irfft(self._filtered(spectrum(start, end), harmonic, noise), n=SIZE)
            wave *= self._window
            if is_frame is not None:
                wave *= is_frame[:, start:end, None]
            overlapping = wave.view(batch, end - start, OVERLAP, HOP)
            for shift in range(OVERLAP):
                blocks[:, start + shift : end + shift] += overlapping[:, :, shift]
        rows = torch.arange(batch, device=f0.device)
        blocks[:, 2] *= self._first
        blocks[rows, num_frames] *= self._last
        blocks[rows, num_frames + 1] *= self._end
        return blocks[:, 2 : frames + 2].reshape(batch, frames * HOP)

    def _filtered(self, spectrum: Tensor, harmonic: Tensor, noise: Tensor) -> Tensor:
        """complex64 [batch, frames, 601]; overwrites `harmonic` and `noise`."""
        log_harmonic, theta, log_noise, log_free, phi = spectrum.split(BINS, 2)
        angle = self._tanh(theta).mul_(math.pi)
        magnitude = self._exp(log_harmonic.clamp(max=LOUDEST))
        harmonic *= torch.complex(self._cos(angle).mul_(magnitude), self._sin(angle).mul_(magnitude))
        noise *= self._exp(log_noise.clamp(max=LOUDEST))
        magnitude = self._exp(log_free.clamp(max=LOUDEST))
        harmonic += noise
        harmonic += torch.complex(self._cos(phi).mul_(magnitude), self._sin(phi).mul_(magnitude))
        return harmonic

    def pulses(self, f0: Tensor, num_frames: Tensor) -> Tensor:
        """Every harmonic of f0 below 11 kHz at unit amplitude, 0 where unvoiced: float32 [batch, frames * 300].

        sum of cos(h t) for h = 1 … H is sin((H + 1/2) t) / (2 sin(t / 2)) - 1/2.
        """
        batch, frames = f0.shape
        at = torch.arange(-1, frames + 1, device=f0.device).clamp(min=0)
        padded = f0.gather(1, torch.minimum(at, num_frames[:, None] - 1))
        hz = padded.unfold(1, 3, 1) @ self._ramps  # [batch, frames, 300]
        is_voiced = hz > UNVOICED_HZ
        hz.clamp_(min=UNVOICED_HZ)
        cycles = hz.cumsum(2, dtype=torch.float64).mul_(1 / SAMPLE_RATE)
        per_frame = (cycles[:, :, -1] * 2.0**PHASE_BITS).round_().long()
        before = (per_frame.cumsum(1) - per_frame) & ((1 << PHASE_BITS) - 1)
        cycles += before[:, :, None].double().mul_(2.0**-PHASE_BITS)
        phase = cycles.frac_().mul_(2 * math.pi).float()
        limit = torch.div(MAX_HZ, hz).floor_().add_(0.5)
        denominator = self._sin(phase * 0.5).mul_(2)
        pulse = self._sin(phase.mul_(limit)).div_(denominator)
        pulse = torch.where(denominator.abs_() <= POLE, limit, pulse).sub_(0.5)
        return pulse.mul_(is_voiced).view(batch, frames * HOP)


def _interpolation() -> Tensor:
    """Weights of the frame before, the frame and the frame after at each of its samples: float32 [3, 300]."""
    at = (torch.arange(HOP, dtype=torch.float64) + 0.5) / HOP - 0.5
    before, after = (-at).clamp(min=0), at.clamp(min=0)
    return torch.stack((before, 1 - before - after, after)).float()


def _reflect(wave: Tensor, num_frames: Tensor) -> Tensor:
    """`wave` [batch, samples] with 600 samples mirrored at its start and at each row's own end."""
    half = SIZE // 2
    padded = torch.nn.functional.pad(wave, (half, half))
    padded[:, :half] = wave[:, 1 : half + 1].flip(1)
    ends = (num_frames * HOP)[:, None]
    away = torch.arange(half, device=wave.device)
    return padded.scatter_(1, ends + half + away, wave.gather(1, ends - 2 - away))


def _via_numpy(function: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Ufunc:
    return lambda x: torch.from_numpy(function(x.numpy()))
