"""From log-mel frames to the waveform: the Vocos vocoder (https://arxiv.org/abs/2306.00814), for a padded batch.

Guarantees that a row sounds the same in every batch: padding is zero before every convolution, and the inverse
transform treats a row's edges at its own end. A row of n frames has exactly (n - 1) * hop samples where frames are
centred on samples, and n * hop where they have the "same" length; the samples of a frame depend on `context_frames`
frames to either side and on nothing else. Magnitudes, phases and the transform are in float32 whatever the weights are
in. Nothing is kept between calls. Knows neither steps nor codes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..checkpoint.layout import Sizes
from .layers import SLICE, ConvNeXt, Convolution, LayerNorm, Linear, StateDict, clear, cleared, padding_of
from .mel import check_constant, hann

UNUSED = frozenset(
    {"feature_extractor.mel_spec.spectrogram.window", "feature_extractor.mel_spec.mel_scale.fb"},
)
"""Tensors of the file that nothing reads: constants of the way from audio to mel, which a vocoder does not go."""

_LOUDEST = 100.0  # of the magnitudes
_LEAST_FRAMES = 2  # one frame has no samples


class Vocos:
    """The backbone and the head that makes a spectrum of it, with the inverse transform's constants."""

    def __init__(self, sizes: Sizes, state: StateDict, padding: Literal["center", "same"] = "center") -> None:
        """`state` is that of the part "vocos", on its device and in its dtype.

        Args:
            padding: Which samples are kept of a row's first and last frame: "center" has the first sample in the middle
                of the first frame, "same" keeps a hop of samples for each frame

        Raises:
            ModelError: If its window is of another transform
        """
        self._embed = Convolution(state, "backbone.embed", padding=3)
        self._norm = LayerNorm(state, "backbone.norm")
        self._blocks = [ConvNeXt(state, f"backbone.convnext.{i}", "gamma", 1) for i in range(sizes.vocos_blocks)]
        self._final_norm = LayerNorm(state, "backbone.final_layer_norm")
        self._head = Linear(state, "head.out")
        stored = state["head.istft.window"]
        check_constant(stored, hann(sizes.n_fft), "Vocos: head.istft.window")
        self._window, self._dtype = hann(sizes.n_fft).to(stored.device), stored.dtype
        self._n_fft, self._hop, self._overlap = sizes.n_fft, sizes.hop, sizes.n_fft // sizes.hop
        # Samples before the first that is kept, and frames that have no samples of their own.
        self._cut, self._short = (sizes.n_fft // 2, 1) if padding == "center" else ((sizes.n_fft - sizes.hop) // 2, 0)
        self.context_frames = 3 + 3 * sizes.vocos_blocks + self._overlap // 2

    def waveforms(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """float32 [batch, samples] at 24 kHz, zero from a row's own end on.

        The samples are (frames - 1) * hop if frames are centred, else frames * hop; a row's own alike, of its length.

        Args:
            mel: Float [batch, n_mels, frames], log-mel, anything in padding
            lengths: int64 [batch], in frames, at least 2

        Raises:
            ValueError: For a length that is not within 2 to frames
        """
        frames = mel.transpose(1, 2).to(self._dtype)
        padding = padding_of(frames, lengths, _LEAST_FRAMES)
        x = clear(self._norm(self._embed(cleared(frames, padding))), padding)
        for block in self._blocks:
            block.add_to(x, padding)
        return self._synthesise(x, padding)

    def _synthesise(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """The waveforms of features [batch, frames, hidden], by pieces of time: a spectrum is wide."""
        batch, frames, _ = x.shape
        blocks = self._window.new_zeros(batch, frames + self._overlap - 1, self._hop)
        step = max(1, SLICE // batch)
        for start in range(0, frames, step):
            part = slice(start, start + step)
            waves = self._waves(x[:, part])
            self._overlap_add(blocks, start, clear(waves, None if padding is None else padding[:, part]))
        is_frame = blocks.new_ones(1, frames, 1) if padding is None else (~padding).float()
        weights = blocks.new_zeros(len(is_frame), frames + self._overlap - 1, self._hop)
        self._overlap_add(weights, 0, is_frame * self._window.square())
        samples = (frames - self._short) * self._hop
        inside = slice(self._cut, self._cut + samples)
        out = blocks.view(batch, -1)[:, inside]
        out = out / weights.view(len(is_frame), -1)[:, inside].clamp_(min=torch.finfo(torch.float32).tiny)
        padding = None if padding is None else padding[:, self._short :]
        return clear(out.view(batch, -1, self._hop), padding).reshape(batch, samples)

    def _waves(self, x: Tensor) -> Tensor:
        """float32 [batch, frames, n_fft]: what each frame adds to the waveform, windowed."""
        log_magnitude, phase = self._head(self._final_norm(x)).float().chunk(2, -1)
        spectrum = torch.polar(log_magnitude.exp().clamp_(max=_LOUDEST), phase.contiguous())
        return torch.fft.irfft(spectrum, n=self._n_fft).mul_(self._window)

    def _overlap_add(self, blocks: Tensor, start: int, waves: Tensor) -> None:
        """Add frames `start` and on, [batch, frames, n_fft], to blocks of a hop each."""
        batch, frames, _ = waves.shape
        parts = waves.view(batch, frames, self._overlap, self._hop)
        for shift in range(self._overlap):
            blocks[:, start + shift : start + shift + frames] += parts[:, :, shift]
