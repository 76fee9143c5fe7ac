"""A batch of segments to waveforms: styles, prosody, then sound in sub-batches that are packed by frames.

Guarantees that a segment depends on its own tokens, voice, seed, index and speed alone: to rounding, and to the bit
where each row is computed by itself.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....errors import BatchOutOfMemory
from ...audio.aligned_wave import AlignedWave
from ...records.utterance import Segment
from ..noise import NoiseTable
from ..noise_table import table_starts
from .checkpoint.sources import Source
from .frame_batches import frame_batches
from .nets.harmonics import HALF_FRAME
from .nets.network import FRAME, Prosody, unfilled
from .voices.styles import Styles

LEAD = 3 * FRAME
"""By so many samples the first sound is heard before its token begins; the published pipeline takes as many."""
FRAMES_PER_TOKEN = 2.75
"""At speed 1, of most voices and texts; where a voice is slower, the rows of a batch are decoded in two goes."""


class Synthesis:
    """The network on one device, with its voices."""

    def __init__(self, source: Source, styles: Styles, device: str, dtype: str, is_deterministic: bool) -> None:
        """Load the weights.

        Raises:
            ModelError: They are not those of this network
        """
        self.device = device
        self._device = torch.device(device)
        self._styles, self._is_deterministic, self._dtype = styles, is_deterministic, dtype
        network = unfilled(source.sizes).with_precise_ends()
        source.fill(network)
        if dtype == "bfloat16":
            network.with_rough_convolutions(torch.bfloat16)
        self.network = network.eval().requires_grad_(False).to(self._device)
        # Read in pairs: a half frame takes 150 complex numbers.
        self._noise = NoiseTable(HALF_FRAME // 2, self._device)

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """float32 [num_samples] at 24 kHz of each segment, within -1 … 1.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        try:
            with torch.inference_mode(), _arithmetic(is_tf32=self._dtype == "tf32"):
                if self._is_deterministic:
                    return [wave for segment in segments for wave in self._speak([segment])]
                return self._speak(segments)
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # Raised from here, not from the handler: the first error's frames would keep the batch's tensors alive.
        torch.cuda.empty_cache()
        raise BatchOutOfMemory(f"kokoro: a batch of {len(segments)} segments did not fit: {reason}")

    def prosody(self, segments: Sequence[Segment]) -> Prosody:
        """Durations, pitch and energy of each segment."""
        ids, lengths = _padded([segment.prepared.tokens for segment in segments])
        styles = [self._styles.style(s.voice, s.seed, len(s.prepared.tokens) - 2, s.language) for s in segments]
        speeds = torch.tensor([segment.speed for segment in segments], dtype=torch.float64)
        numbers = torch.from_numpy(np.stack(styles))
        with _arithmetic(is_tf32=False):
            return self.network.prosody(
                ids.to(self._device), lengths, numbers.to(self._device), speeds.to(self._device)
            )

    def _speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        prosody = self.prosody(segments)
        longest = max(segment.length for segment in segments)
        max_cells = math.ceil(len(segments) * longest * FRAMES_PER_TOKEN)
        spoken: dict[int, NDArray[np.float32]] = {}
        for rows in frame_batches(prosody.num_frames, max_cells):
            noise = self._noise_of([segments[row] for row in rows], prosody.num_frames[rows[0]])
            waves = self.network.sound(prosody, rows, noise).clamp_(-1, 1).float().cpu().numpy()
            for row, wave in zip(rows, waves, strict=True):
                spoken[row] = wave[: prosody.num_frames[row] * FRAME].copy()
        ends = (prosody.durations.cumsum(1) * FRAME).long().cpu().numpy()
        return [
            AlignedWave.of(spoken[row], segment.prepared.words, ends[row], LEAD) for row, segment in enumerate(segments)
        ]

    def _noise_of(self, segments: Sequence[Segment], num_frames: int) -> Tensor:
        """float32 [batch, 600 * num_frames], unit normal: what it is at a sample depends on (seed, index, sample)."""
        seeds, indices = [segment.seed for segment in segments], [segment.index for segment in segments]
        starts = torch.from_numpy(table_starts(seeds, indices, 2 * num_frames)).to(self._device)
        return torch.view_as_real(self._noise.take(starts)).reshape(len(segments), -1)


@contextmanager
def _arithmetic(*, is_tf32: bool) -> Generator[None]:
    """Convolutions of cuDNN as they are asked for: its default is TF32, which moves samples by 1e-3."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=is_tf32):
        yield


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, list[int]]:
    """The rows as ids int64 [batch, max_tokens], padded with 0, and the length of each."""
    lengths = [len(row) for row in rows]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    for row, (tokens, length) in enumerate(zip(rows, lengths, strict=True)):
        ids[row, :length] = torch.tensor(tokens)
    return ids, lengths
