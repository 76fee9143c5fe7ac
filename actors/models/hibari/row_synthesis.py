"""From the spectrum and the pitch of one row to its waveform, in numpy: what a CPU runs, without torch.

The formulas and the order of operations are those of `synthesis.py`, which does the same for padded batches on any
device; the two differ by rounding. PyTorch would take 2 s and 400 MB of every process that speaks on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What the network says of each frame's spectrum, S = harmonic e^(i pi turn) E + noise Z + free e^(i phase).

    Attributes:
        pulse_frames: int64 [num_heard], rising: the frames with a harmonic part, at least all that pulses reach
        harmonic: float32 [num_heard, 601], magnitudes of it
        turn: float32 [num_heard, 601], in half turns
        magnitudes: float32 [num_frames, 2 * 601], of the noise and of the free part
        phase: float32 [num_frames, 601], of the free part, in radians
    """

    pulse_frames: NDArray[np.int64]
    harmonic: Floats
    turn: Floats
    magnitudes: Floats
    phase: Floats

    @classmethod
    def of(cls, head: Floats) -> Spectrum:
        """From the published head, float32 [num_frames, 5 * 601]: lh, theta, ln, lr, phi, the logarithms at most 7."""
        log = np.minimum(head[:, : 4 * BINS], np.float32(LOUDEST))
        magnitudes = np.exp(log[:, 2 * BINS :])
        turn = np.tanh(head[:, BINS : 2 * BINS])
        return cls(np.arange(len(head)), np.exp(log[:, :BINS]), turn, magnitudes, head[:, 4 * BINS :])


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

    def waveform(self, spectrum: Spectrum, f0: Floats, noise_starts: NDArray[np.int64]) -> Floats:
        """float32 [num_frames * 300] at 24 kHz.

        Args:
            spectrum: The parts of it that the network gives
            f0: float32 [num_frames], Hz, below 40 unvoiced; at least 3 frames
            noise_starts: int64 [num_frames], of `noise_table.table_starts`
        """
        frames = len(f0)
        pulses = np.pad(self.pulses(f0), SIZE // 2, mode="reflect")
        source = sliding_window_view(pulses, SIZE)[::HOP]
        blocks = np.zeros((frames + OVERLAP - 1, HOP), np.float32)
        made = np.empty((min(frames, self._chunk), BINS), np.complex64)
        for start in range(0, frames, self._chunk):
            end = min(start + self._chunk, frames)
            filtered = self._noise[noise_starts[start:end]]
            filtered *= spectrum.magnitudes[start:end, :BINS]
            free = made[: end - start]
            _polar(spectrum.magnitudes[start:end, BINS:], spectrum.phase[start:end], free)
            filtered += free
            first, last = np.searchsorted(spectrum.pulse_frames, (start, end))
            if first < last:
                heard = spectrum.pulse_frames[first:last]
                # numpy's types name the precision of its oldest transform.
                transformed: Any = np.fft.rfft(source[heard] * self._source_window, norm="forward")
                harmonic = made[: last - first]
                _polar(spectrum.harmonic[first:last], spectrum.turn[first:last] * np.float32(math.pi), harmonic)
                transformed *= harmonic
                filtered[heard - start] += transformed
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


def _polar(magnitude: Floats, angle: Floats, target: NDArray[np.complex64]) -> None:
    """Magnitude times e^(i angle)."""
    np.cos(angle, out=target.real)
    np.sin(angle, out=target.imag)
    target *= magnitude


def _interpolation() -> Floats:
    """Weights of the frame before, the frame and the frame after at each of its samples: float32 [3, 300]."""
    at = (np.arange(HOP) + 0.5) / HOP - 0.5
    before, after = np.maximum(-at, 0), np.maximum(at, 0)
    return np.stack((before, 1 - before - after, after)).astype(np.float32)
