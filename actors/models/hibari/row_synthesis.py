"""From the spectrum and the pitch of one row to its waveform, in numpy: what a CPU runs, without torch.

The formulas and the order of operations are those of `synthesis.py`, which does the same for padded batches on any
device; the two differ by rounding. PyTorch would take 2 s and 400 MB of every process that speaks on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from ..noise_table import TABLE_SIZE, complex_normal

HOP, SIZE, BINS = 300, 1_200, 601
STEP = 2 * HOP
"""Samples of a step of durations: 25 ms."""
LEAD = 3 * STEP
"""By so many samples the first sound is heard before its token begins, as in Kokoro, from which the voices learned."""
SAMPLE_RATE = 24_000
OVERLAP = SIZE // HOP
UNVOICED_HZ, MAX_HZ = 40.0, 11_000.0
LOUDEST = 7.0  # of the log magnitudes
POLE = 2e-3  # the pulse formula's denominator counts as zero below this
PHASE_BITS = 40  # fixed point, so that summing over frames is exact and the same on every device

Floats = NDArray[np.float32]


class RowSynthesis:
    """Constants of the transform. `chunk` is the number of frames worked on at once."""

    def __init__(self, chunk: int) -> None:
        window = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(SIZE) / SIZE)
        squares = (window * window).reshape(OVERLAP, HOP)
        total = squares.sum(0)  # 1.5 everywhere, except at the ends of a row, where frames are missing
        edges = np.stack((squares[:3].sum(0), squares[1:].sum(0), squares[2:].sum(0)))
        # Times SIZE: numpy transforms in float32 where it scales its result, as it does "forward".
        self._source_window = (window * (SIZE / (SIZE / 4))).astype(np.float32)
        self._window = (window / 1.5).astype(np.float32)
        self._first, self._last, self._end = (total / edges).astype(np.float32)
        self._ramps = _interpolation()
        table = complex_normal(TABLE_SIZE + BINS)
        self._noise = as_strided(table, (TABLE_SIZE, BINS), (table.itemsize, table.itemsize), writeable=False)
        self._chunk = chunk

    def waveform(self, spectrum: Callable[[int, int], Floats], f0: Floats, noise_starts: NDArray[np.int64]) -> Floats:
        """float32 [num_frames * 300] at 24 kHz.

        Args:
            spectrum: Of frames a to b: float32 [b - a, 5 * 601], the parts lh, theta, ln, lr, phi
            f0: float32 [num_frames], Hz, below 40 unvoiced; at least 3 frames
            noise_starts: int64 [num_frames], of `noise_table.table_starts`
        """
        frames = len(f0)
        pulses = np.pad(self.pulses(f0), SIZE // 2, mode="reflect")
        is_heard = np.asarray(sliding_window_view(pulses.reshape(-1, HOP).any(1), OVERLAP).any(1))  # [frames + 1]
        source = sliding_window_view(pulses, SIZE)[::HOP]
        blocks = np.zeros((frames + OVERLAP - 1, HOP), np.float32)
        for start in range(0, frames, self._chunk):
            end = min(start + self._chunk, frames)
            part = spectrum(start, end)
            filtered = _filtered_noise(part, self._noise[noise_starts[start:end]])
            # Where no pulse lies below the window, the harmonic part is 0: about a third of the frames of speech.
            heard = np.flatnonzero(is_heard[start:end])
            if len(heard):
                # numpy's types name the precision of its oldest transform.
                transformed: Any = np.fft.rfft(source[start + heard] * self._source_window, norm="forward")
                filtered[heard] += _filtered_pulses(part[:, : 2 * BINS][heard], transformed)
            filtered += _polar(_magnitude(part[:, 3 * BINS : 4 * BINS]), part[:, 4 * BINS :])
            wave = np.fft.irfft(filtered, n=SIZE)
            wave *= self._window
            overlapping = wave.reshape(end - start, OVERLAP, HOP)
            for shift in range(OVERLAP):
                blocks[start + shift : end + shift] += overlapping[:, shift]
        blocks[2] *= self._first
        blocks[frames] *= self._last
        blocks[frames + 1] *= self._end
        return blocks[2 : frames + 2].reshape(-1)

    def pulses(self, f0: Floats) -> Floats:
        """Every harmonic of f0 below 11 kHz at unit amplitude, 0 where unvoiced: float32 [num_frames * 300].

        sum of cos(h t) for h = 1 … H is sin((H + 1/2) t) / (2 sin(t / 2)) - 1/2.
        """
        hz = sliding_window_view(np.pad(f0, 1, mode="edge"), 3) @ self._ramps  # [num_frames, 300]
        is_voiced = hz > UNVOICED_HZ
        voiced = np.flatnonzero(is_voiced.any(1))
        hz, is_voiced = hz[voiced], is_voiced[voiced]
        np.maximum(hz, np.float32(UNVOICED_HZ), out=hz)
        cycles = hz.cumsum(1, dtype=np.float64)
        cycles *= 1 / SAMPLE_RATE
        per_frame = np.full(len(f0), round(UNVOICED_HZ * HOP / SAMPLE_RATE * 2**PHASE_BITS), np.int64)
        per_frame[voiced] = np.rint(cycles[:, -1] * 2.0**PHASE_BITS).astype(np.int64)
        before = (per_frame.cumsum() - per_frame) & ((1 << PHASE_BITS) - 1)
        cycles += before[voiced, None] * 2.0**-PHASE_BITS
        cycles -= np.floor(cycles)
        cycles *= 2 * math.pi
        phase = cycles.astype(np.float32)
        limit = np.floor(np.float32(MAX_HZ) / hz)
        limit += np.float32(0.5)
        denominator = np.sin(phase * np.float32(0.5))
        denominator *= np.float32(2)
        is_pole = np.abs(denominator) <= POLE
        phase *= limit
        pulse = np.sin(phase, out=phase)
        np.copyto(denominator, np.float32(1), where=is_pole)
        pulse /= denominator
        np.copyto(pulse, limit, where=is_pole)
        pulse -= np.float32(0.5)
        pulse *= is_voiced
        pulses = np.zeros((len(f0), HOP), np.float32)
        pulses[voiced] = pulse
        return pulses.reshape(-1)


def _filtered_noise(spectrum: Floats, noise: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """complex64 [frames, 601]; overwrites `noise`."""
    noise *= _magnitude(spectrum[:, 2 * BINS : 3 * BINS])
    return noise


def _filtered_pulses(spectrum: Floats, pulses: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """complex64 [frames, 601] of the parts lh and theta, float32 [frames, 2 * 601]; overwrites `pulses`."""
    angle = np.tanh(spectrum[:, BINS:])
    angle *= np.float32(math.pi)
    pulses *= _polar(_magnitude(spectrum[:, :BINS]), angle)
    return pulses


def _magnitude(log: Floats) -> Floats:
    """e^log, at most e^LOUDEST."""
    # Speech hardly ever has louder bins, and to look costs a third of to cut.
    return np.exp(log if log.max() <= LOUDEST else np.minimum(log, np.float32(LOUDEST)))


def _polar(magnitude: Floats, angle: Floats) -> NDArray[np.complex64]:
    """Magnitude times e^(i angle)."""
    made = np.empty(magnitude.shape, np.complex64)
    np.multiply(np.cos(angle), magnitude, out=made.real)
    np.multiply(np.sin(angle), magnitude, out=made.imag)
    return made


def _interpolation() -> Floats:
    """Weights of the frame before, the frame and the frame after at each of its samples: float32 [3, 300]."""
    at = (np.arange(HOP) + 0.5) / HOP - 0.5
    before, after = np.maximum(-at, 0), np.maximum(at, 0)
    return np.stack((before, 1 - before - after, after)).astype(np.float32)
