"""The torch network on a padded batch, in float32: what a GPU runs, and a CPU on request.

Guarantees that batch mates change a row by no more than float rounding: the noise is the row's own, padding is masked
everywhere, and TF32 is off. Rounding differs with the shape of the batch, and pitch sums it up over a row: measured on
a CPU, a row alone and the same row in a batch of 8 have the same length, and waveforms 2e-4 of their level apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....errors import BatchOutOfMemory
from ...audio.aligned_wave import AlignedWave
from ...records.utterance import Segment
from ..noise_table import table_starts
from .row_synthesis import LEAD, STEP
from .synthesis import HOP, Synthesis
from .weights import load_network

_CPU_CHUNK, _GPU_CHUNK = 128, 8_192  # frames of spectrum at once: 1.5 MB in the cache; 100 MB of GPU memory


class BatchedVoice:
    """One voice as a torch network on one device."""

    def __init__(self, file: Path, device: str) -> None:
        self._device = torch.device(device)
        self.network = load_network(file).to(self._device)
        on_cpu = self._device.type == "cpu"
        self._synthesis = Synthesis(self._device, _CPU_CHUNK if on_cpu else _GPU_CHUNK)

    def speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        """float32 [num_samples] at 24 kHz of each segment.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        try:
            return self._speak(segments)
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # Raised from here, not from the handler: the first error's frames would keep the batch's tensors alive.
        torch.cuda.empty_cache()
        raise BatchOutOfMemory(f"hibari: a batch of {len(segments)} segments did not fit: {reason}")

    def _speak(self, segments: Sequence[Segment]) -> list[NDArray[np.float32]]:
        ids, lengths = _padded([segment.tokens for segment in segments])
        speeds = torch.tensor([segment.speed for segment in segments], dtype=torch.float32)
        # cudnn would otherwise compute convolutions in TF32, which moves durations and pitch
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            frames = self.network(ids.to(self._device), lengths.to(self._device), speeds.to(self._device))
            features, head = frames.features, self.network.head
            seeds, indices = [s.seed for s in segments], [s.index for s in segments]
            starts = torch.from_numpy(table_starts(seeds, indices, features.shape[1])).to(self._device)
            waves = self._synthesis.waveforms(lambda a, b: head(features[:, a:b]), frames.f0, frames.num_frames, starts)
            num_samples = (frames.num_frames * HOP).tolist()
            whole = waves.cpu().numpy()
            ends = (frames.durations.cumsum(1) * STEP).cpu().numpy()
        return [
            AlignedWave.of(wave[:count], segment.prepared.words, last, LEAD)
            for wave, count, segment, last in zip(whole, num_samples, segments, ends, strict=True)
        ]


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """The rows as ids int64 [batch, max_tokens], padded with 0, and their lengths int64 [batch]."""
    lengths = [len(row) for row in rows]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    for row, (tokens, length) in enumerate(zip(rows, lengths, strict=True)):
        ids[row, :length] = torch.tensor(tokens)
    return ids, torch.tensor(lengths)
