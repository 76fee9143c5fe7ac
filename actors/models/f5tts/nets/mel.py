"""A reference clip as log-mel frames: what the network continues.

The transform is that of `torchaudio.transforms.MelSpectrogram`: centred, Hann window, magnitudes, HTK bands from 0 Hz
to half the sample rate without norm, then the natural logarithm.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...chattts.nets.mel import hann, mel_bands
from ..checkpoint.layout import VocoderSizes

_QUIETEST = 1e-5  # magnitudes count as at least this


def log_mel(samples: Tensor, sizes: VocoderSizes) -> Tensor:
    """float32 [1 + num_samples // hop, n_mels] of float32 [num_samples] at 24 kHz, more than half a window of them."""
    half = sizes.n_fft // 2
    framed = F.pad(samples[None], (half, half), mode="reflect")[0].unfold(0, sizes.n_fft, sizes.hop)
    magnitudes = torch.fft.rfft(framed * hann(sizes.n_fft).to(samples.device)).abs()
    return (magnitudes @ mel_bands(sizes).to(samples.device)).clamp(min=_QUIETEST).log()
