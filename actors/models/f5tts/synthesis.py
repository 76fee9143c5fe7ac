"""A batch of segments to waveforms: references and noise laid out by row, frames sampled, frames to sound.

Guarantees that a segment depends on its own text, reference, seed, index and speed alone: to rounding, and to the bit
where each row is computed by itself.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....errors import BatchOutOfMemory
from ...records.reference import Reference
from ..chattts.nets.vocos import Vocos
from ..embeddings import EmbeddingCache
from ..noise import normal, segment_seed
from .checkpoint.weights import Checkpoint
from .nets.mel import log_mel
from .nets.rows import Rows
from .nets.sampler import Sampler
from .options import Options
from .text.durations import HOP
from .voices.prompt import given_samples, level_of, prompt_samples

if TYPE_CHECKING:
    from collections.abc import Mapping


_MEL_REVISION = "mel-1"
"""It changes with the way from a recording to its mel frames, whose last bits depend on the device, too."""


@dataclass(frozen=True, slots=True)
class Row:
    """A segment as the network takes it.

    Attributes:
        tokens: Ids of the reference's words and the text
        num_frames: Of the reference and the speech
        seed: Of its noise, as `segment_seed` makes it
    """

    tokens: tuple[int, ...]
    reference: Reference
    num_frames: int
    seed: int

    @classmethod
    def of(cls, tokens: tuple[int, ...], reference: Reference, num_frames: int, drawn: Sequence[int]) -> Row:
        """The row of a segment; `drawn` is its row's seed, its index and its attempt."""
        seed, index, attempt = drawn
        return cls(tokens, reference, num_frames, segment_seed(seed, index, "speak", attempt))


class Synthesis:
    """Network and vocoder on one device, with one way to sample."""

    def __init__(self, checkpoint: Checkpoint, options: Options, device: str) -> None:
        """Load the weights.

        Raises:
            ModelError: They are damaged or of another model
        """
        self._device = torch.device(device)
        self._is_deterministic = options.is_deterministic(device)
        dtype = cast("torch.dtype", getattr(torch, options.dtype))
        sizes, vocoder = checkpoint.load_vocoder(device)
        self._vocoder_sizes, self._vocoder = sizes, Vocos(sizes, vocoder)
        state: Mapping[str, Tensor] = checkpoint.load_network(device)
        with torch.inference_mode(), _arithmetic():
            self._sampler = Sampler(checkpoint.sizes, state, options.steps, options.guidance, options.sway, dtype)
        self._mels = EmbeddingCache("f5tts", f"{_MEL_REVISION}/{device}", self._mel)

    def speak(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        """float32 [num_samples] at 24 kHz of each row, within -1 … 1.

        Raises:
            BatchOutOfMemory: The batch does not fit into memory
        """
        try:
            with torch.inference_mode(), _arithmetic():
                batches = [[row] for row in rows] if self._is_deterministic else [rows]
                return [wave for batch in batches for wave in self.sound(batch, self.frames(batch))]
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # Raised from here, not from the handler: the first error's frames would keep the batch's tensors alive.
        torch.cuda.empty_cache()
        raise BatchOutOfMemory(f"f5tts: a batch of {len(rows)} segments did not fit: {reason}")

    def frames(self, rows: Sequence[Row], noise: Tensor | None = None) -> list[Tensor]:
        """Log-mel frames float32 [num_frames, n_mels] of each row, the reference among them.

        Args:
            rows: What is spoken.
            noise: What the frames start from, float32 [rows, longest, n_mels]; None for that of the rows' seeds.
        """
        batch = Rows([row.num_frames for row in rows], self._device)
        n_mels = self._vocoder_sizes.n_mels
        tokens = torch.zeros(len(rows), batch.size, dtype=torch.long)
        reference = torch.zeros(len(rows), batch.size, n_mels, device=self._device)
        mels = [torch.tensor(self._mels.of(row.reference), device=self._device) for row in rows]
        for at, (row, mel) in enumerate(zip(rows, mels, strict=True)):
            ids = row.tokens[: row.num_frames]
            tokens[at, : len(ids)] = torch.tensor(ids) + 1
            reference[at, : len(mel)] = mel
        if noise is None:
            steps = torch.arange(batch.size, device=self._device).expand(len(rows), -1)
            noise = normal(torch.tensor([row.seed for row in rows], device=self._device), steps, n_mels)
        sampled = self._sampler.frames(noise, tokens.to(self._device), reference, batch)
        for at, mel in enumerate(mels):
            sampled[at, : len(mel)] = mel
        return [sampled[at, :length] for at, length in enumerate(batch.lengths)]

    def sound(self, rows: Sequence[Row], frames: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """Waveforms of frames as `frames` makes them, as loud as each row's reference, without the reference."""
        spoken = [made[prompt_samples(row.reference) // HOP :] for made, row in zip(frames, rows, strict=True)]
        mel = torch.nn.utils.rnn.pad_sequence(spoken, batch_first=True).transpose(1, 2)
        waves = self._vocoder.waveforms(mel, torch.tensor([len(made) for made in spoken])).cpu().numpy()
        return [
            (wave[: (len(made) - 1) * HOP] * np.float32(level_of(row.reference))).clip(-1, 1)
            for wave, made, row in zip(waves, spoken, rows, strict=True)
        ]

    def _mel(self, reference: Reference) -> NDArray[np.float32]:
        """The mel frames of a recording: float32 [1 + prompt_samples // hop, n_mels]."""
        samples = torch.from_numpy(given_samples(reference)).to(self._device)
        return log_mel(samples, self._vocoder_sizes).cpu().numpy()


@contextmanager
def _arithmetic() -> Generator[None]:
    """Convolutions of cuDNN as they are asked for: its default is TF32, which moves frames by 1e-3."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
