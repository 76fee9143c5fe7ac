"""Waveforms to log-mel spectrograms: what a voice given as audio enters the model by, for a padded batch of rows.

Guarantees that a row's frames do not depend on its batch mates: it is mirrored at its own ends. The window and the mel
bands are made here, in float32 whatever the weights are in, and those of the checkpoint must agree with them.
Does not resample, mix channels or decode files. The transform is that of `torchaudio.transforms.MelSpectrogram`:
centred, Hann window, magnitudes, HTK bands from 0 Hz to half the sample rate without norm, then the natural logarithm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .....errors import ModelError, RowRejected
from ..checkpoint.layout import SAMPLE_RATE, Sizes
from .layers import StateDict

PREFIX = "preprocessor_mel.mel_spec"
_QUIETEST = 1e-5  # magnitudes count as at least this
_TOLERANCE = 1e-4


class MelSpectrogram:
    """The transform, with its constants on one device."""

    def __init__(self, sizes: Sizes, state: StateDict) -> None:
        """`state` is that of the part "dvae".

        Raises:
            ModelError: If its constants are of another transform
        """
        window, bands = state[f"{PREFIX}.spectrogram.window"], state[f"{PREFIX}.mel_scale.fb"]
        check_constant(window, hann(sizes.n_fft), f"DVAE: {PREFIX}.spectrogram.window")
        check_constant(bands, mel_bands(sizes), f"DVAE: {PREFIX}.mel_scale.fb")
        self._window, self._bands = hann(sizes.n_fft).to(window.device), mel_bands(sizes).to(window.device)
        self._n_fft, self._hop = sizes.n_fft, sizes.hop

    @property
    def least_samples(self) -> int:
        """What a row must have at least, to be mirrored at its ends."""
        return self._n_fft // 2 + 1

    def __call__(self, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel float32 [batch, n_mels, frames], zero in padding, and the frames of each row, int64 [batch].

        Args:
            waves: float32 [batch, samples] at 24 kHz, full scale 1, anything in padding
            lengths: int64 [batch], in samples; a row has 1 + length // hop frames

        Raises:
            RowRejected: For a row that is shorter than `least_samples` or holds a sample that is not finite
            ValueError: If lengths and waves do not fit each other
        """
        self._check(waves, lengths)
        lengths = lengths.to(waves.device)
        half = self._n_fft // 2
        last = lengths[:, None] - 1
        at = torch.arange(-half, waves.shape[1] + half, device=waves.device).abs()  # mirrored at the first sample
        at = (last - (last - at).abs()).clamp(min=0)  # and at the last; further out lie frames of no row
        framed = waves.float().gather(1, at).unfold(1, self._n_fft, self._hop)  # [batch, frames, n_fft]
        magnitudes = torch.fft.rfft(framed * self._window).abs()
        mel = (magnitudes @ self._bands).clamp(min=_QUIETEST).log()
        num_frames = 1 + lengths // self._hop
        is_padding = torch.arange(mel.shape[1], device=waves.device) >= num_frames[:, None]
        return mel.masked_fill_(is_padding[:, :, None], 0).transpose(1, 2), num_frames

    def _check(self, waves: Tensor, lengths: Tensor) -> None:
        batch, samples = waves.shape
        known = [int(length) for length in lengths.tolist()]
        if not known or len(known) != batch or max(known) > samples:
            raise ValueError(f"lengths {known} for waves of shape {list(waves.shape)}")
        for row, length in enumerate(known):
            if length < self.least_samples:
                raise RowRejected(
                    f"the audio of a voice has {length} samples at {SAMPLE_RATE} Hz (row {row} of its batch); "
                    f"give at least {self.least_samples}, and for a voice to be heard some seconds"
                )
            if not bool(waves[row, :length].isfinite().all()):
                raise RowRejected(
                    f"the audio of a voice has samples that are not finite (row {row} of its batch); give full scale 1"
                )


def hann(size: int) -> Tensor:
    """The periodic Hann window, float32 [size]."""
    return torch.hann_window(size, dtype=torch.float64).float()


def mel_bands(sizes: Sizes) -> Tensor:
    """Triangles on the HTK mel scale, 2595 log10(1 + Hz / 700), of height 1: float32 [num_bins, n_mels]."""
    highest_hz = SAMPLE_RATE / 2
    highest_mel = 2595.0 * torch.log10(torch.tensor(1 + highest_hz / 700, dtype=torch.float64))
    mels = torch.linspace(0, float(highest_mel), sizes.n_mels + 2, dtype=torch.float64)
    corners_hz = 700 * (10 ** (mels / 2595) - 1)  # where each triangle starts, peaks and ends, overlapping
    bins_hz = torch.linspace(0, highest_hz, sizes.num_bins, dtype=torch.float64)[:, None]
    rising = (bins_hz - corners_hz[:-2]) / (corners_hz[1:-1] - corners_hz[:-2])
    falling = (corners_hz[2:] - bins_hz) / (corners_hz[2:] - corners_hz[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def check_constant(stored: Tensor, ours: Tensor, what: str) -> None:
    """Raise ModelError, naming `what`, if a constant of the file is not ours to within the rounding of its dtype."""
    tolerance = max(_TOLERANCE, torch.finfo(stored.dtype).eps)
    if stored.shape != ours.shape or not torch.allclose(stored.float().cpu(), ours, rtol=0, atol=tolerance):
        raise ModelError(
            f"chattts: {what} is not that of this model; use the published weights or ones trained on them"
        )
