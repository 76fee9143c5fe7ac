"""Audio of rows that are still being drawn: waveforms of windows of steps, joined without a seam.

Guaranteed: a row of T steps gives `StepTiming.num_samples(T)` samples in all, whatever its chunks. A sample depends on
its chunk's window and the next one only, so the cost of a chunk does not grow with the row. If look-ahead and context
are as long as `least_context` says, the audio is the waveform of the whole row up to rounding. With less look-ahead it
differs, and neighbouring chunks are faded into each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .chunks import Chunk, ChunkPolicy
from .decoding import Decode
from .step_settings import StepTiming

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Seam:
    """How a chunk is joined to the next one.

    Attributes:
        overlap: Samples at a chunk's end that are held back and faded into the next chunk's version of them, whose
            window has more of the following steps; 0 joins chunks without a fade

    Raises:
        ValueError: The overlap is longer than the look-ahead, leaves nothing of the first chunk, or is not within the
            context of the next chunk
    """

    timing: StepTiming
    policy: ChunkPolicy
    overlap: int = 512

    def __post_init__(self) -> None:
        size, policy = self.timing.step_samples, self.policy
        # The last step of a window may lack samples.
        most = min(policy.ahead * size, policy.first * size - self._short - 1)
        if not 0 <= self.overlap <= most:
            raise ValueError(
                f"overlap is {self.overlap} samples; allowed: 0 to {most} with a look-ahead of {policy.ahead} steps "
                f"and a first chunk of {policy.first}"
            )
        if policy.context < self.lead_steps:
            raise ValueError(
                f"context is {policy.context} steps; allowed: {self.lead_steps} or more with an overlap of "
                f"{self.overlap} samples and a look-ahead of {policy.ahead} steps"
            )

    @property
    def lead_steps(self) -> int:
        """Steps before a chunk that some of its samples belong to."""
        return -(-(self.overlap + self._short) // self.timing.step_samples)

    @property
    def _short(self) -> int:
        """Samples at the end of a chunk that come with the next one, because its window ends with the chunk."""
        return 0 if self.policy.ahead else self.timing.short_samples

    def least_context(self, context_steps: int) -> int:
        """The least context, in steps, with which a chunk sounds as in the whole row.

        Args:
            context_steps: Steps to either side of a step that its samples depend on
        """
        return context_steps + self.lead_steps


class ChunkedRow:
    """The samples of one row: how many have left, and those that are held back."""

    def __init__(self, seam: Seam) -> None:
        self._seam = seam
        self._steps = self._left = 0
        self._held = np.empty(0, np.float32)

    def take(self, chunk: Chunk, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples float32 that may leave now; they follow those of the chunk before.

        Args:
            wave: The waveform of the chunk's window, float32 [timing.num_samples(window steps)] or longer; any waveform
                for an empty chunk

        Raises:
            ValueError: The chunk does not follow the one before, or the waveform is too short
        """
        if chunk.start != self._steps:
            raise ValueError(f"a chunk starts at step {chunk.start}; its row is at step {self._steps}")
        self._steps = chunk.end
        if chunk.is_empty:
            return self._release(self._held, len(self._held))
        joined = self._join(self._version(chunk, wave))
        return self._release(joined, len(joined) - (0 if chunk.is_last else self._seam.overlap))

    def _version(self, chunk: Chunk, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """The window's version of the samples from the first that has not left to the chunk's last."""
        timing, steps = self._seam.timing, chunk.num_window_steps
        there = timing.num_samples(steps)
        if len(wave) < there:
            raise ValueError(f"a window of {steps} steps has {there} samples, not {len(wave)}")
        origin = chunk.window_start * timing.step_samples
        # If the window ends with the chunk, its last step may be short: the rest comes with the next chunk.
        end = min(chunk.end * timing.step_samples, origin + there)
        return wave[self._left - origin : end - origin].astype(np.float32)

    def _join(self, version: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fade the samples that are held back into the beginning of a version, in place."""
        count = len(self._held)
        # Computed as held + weight * difference, so that the two weights add up to exactly 1.
        weights = np.linspace(0, 1, count + 2, dtype=np.float32)[1:-1]
        version[:count] = self._held + weights * (version[:count] - self._held)
        return version

    def _release(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        self._left += count
        self._held = samples[count:]
        return samples[:count]


@dataclass(frozen=True, slots=True, eq=False)
class DecodeWindow:
    """A chunk that is due, with its row and its window.

    Attributes:
        steps: [num_window_steps, channels]: hidden states or codes; `decode` takes them transposed
    """

    row: ChunkedRow
    chunk: Chunk
    steps: Tensor


def decode_windows(windows: Sequence[DecodeWindow], decode: Decode) -> list[NDArray[np.float32]]:
    """Decode windows of any rows and lengths as one padded batch; for each the samples float32 that may leave.

    Chunks of one row have to be in order. This waits for the device. `decoding.Decoder` does not wait, and may decode
    windows for `ChunkedRow.take` just as well.

    Raises:
        ValueError: Chunks of a row are not in order
    """
    filled = [window.steps for window in windows if not window.chunk.is_empty]
    waves: list[NDArray[np.float32]] = []
    if filled:
        padded = torch.nn.utils.rnn.pad_sequence(filled, batch_first=True)
        lengths = torch.tensor([len(steps) for steps in filled])
        waves = list(decode(padded.transpose(1, 2), lengths).cpu().numpy())
    following = iter(waves)
    nothing = np.empty(0, np.float32)
    return [window.row.take(window.chunk, nothing if window.chunk.is_empty else next(following)) for window in windows]
