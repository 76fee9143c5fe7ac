"""The whole network of Kokoro-82M, in two steps: prosody, after which lengths are known, then sound.

Guarantees that voices, speeds and lengths may be mixed in a batch, and that a row differs from itself alone by no more
than rounding of the second step: measured 5e-6 of full scale in float32; durations and pitch are the row's own. Knows
neither text nor files. The architecture is that of StyleTTS 2 (https://arxiv.org/abs/2306.07691) with an iSTFTNet
(https://arxiv.org/abs/2203.02395), as published with Kokoro-82M (https://huggingface.co/hexgrad/Kokoro-82M).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .albert import Albert
from .blocks import Convolution, Upsampling
from .decoder import Decoder
from .harmonics import HALF_FRAME
from .prosody import Predictor
from .sizes import FULL, Sizes
from .span import Span
from .text_encoder import TextEncoder

FRAME = 2 * HALF_FRAME
"""Samples of a frame, the step of durations: 25 ms."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """A batch whose lengths are known.

    Attributes:
        styles: [batch, 2 * sizes.style], as given
        text: [batch, tokens, hidden], what is said
        durations: int64 [batch, tokens], in frames; 0 past the end of a row
        num_frames: Of each row, on the host
        f0, energy: float64 [batch, 2 * most frames], per half frame, pitch in Hz
    """

    styles: Tensor
    text: Tensor
    durations: Tensor
    num_frames: tuple[int, ...]
    f0: Tensor
    energy: Tensor


class KokoroNetwork(nn.Module):
    """Phoneme ids, styles and speeds in, waveforms out."""

    def __init__(self, sizes: Sizes = FULL) -> None:
        super().__init__()
        self.sizes = sizes
        self.bert = Albert(sizes)
        self.bert_encoder = nn.Linear(sizes.bert, sizes.hidden)
        self.predictor = Predictor(sizes)
        self.text_encoder = TextEncoder(sizes)
        self.decoder = Decoder(sizes)

    def with_precise_ends(self) -> KokoroNetwork:
        """Itself, with float64 where it pays: what decides on lengths and pitch, and the step to the spectrum.

        The last convolution and the transform in float32 are nearly all of the rounding in a waveform: measured 2e-5
        of its peak with them, 3e-6 without.
        """
        for part in (self.bert, self.bert_encoder, self.predictor, self.decoder.generator.conv_post):
            part.double()
        return self

    def with_rough_convolutions(self, dtype: torch.dtype) -> KokoroNetwork:
        """Itself, with the decoder's convolutions in `dtype`; norms, source and spectrum stay as they are."""
        for part in self.decoder.modules():
            if isinstance(part, Convolution | Upsampling):
                part.to(dtype)
        return self

    def prosody(self, ids: Tensor, lengths: Sequence[int], styles: Tensor, speeds: Tensor) -> Prosody:
        """How each row is said.

        Args:
            ids: int64 [batch, tokens], a pad (0) at both ends of each row
            lengths: Tokens of each row, pads counted
            styles: [batch, 2 * sizes.style], of the voice and then of its manner
            speeds: [batch], 2 is twice as fast
        """
        precise = self.bert_encoder.weight.dtype
        manner = styles[:, self.sizes.style :].to(precise)
        span = Span(lengths, ids.device, precise)
        encoded = self.predictor.text_encoder(self.bert_encoder(self.bert(ids, span)), manner, span)
        durations = self.predictor.durations(encoded, speeds.to(precise), span)
        num_frames = tuple(durations.sum(1).tolist())
        frames = Span(num_frames, ids.device, precise)
        spread = _spread(encoded, durations, frames.size)
        f0, energy = self.predictor.curves(spread, manner, frames, frames.times(2))
        text = self.text_encoder(ids, span.to(self.text_encoder.embedding.weight.dtype))
        return Prosody(styles, text, durations, num_frames, f0, energy)

    def sound(self, prosody: Prosody, rows: Sequence[int], noise: Tensor) -> Tensor:
        """Waveforms of some rows: [len(rows), 600 * most frames] at 24 kHz; nothing that is meant past the end of each.

        Args:
            noise: float32 [len(rows), 600 * most frames], unit normal; what differs between seeds
        """
        picked = torch.tensor(rows, device=prosody.text.device)
        dtype = prosody.text.dtype
        span = Span([prosody.num_frames[row] for row in rows], picked.device, dtype)
        f0, energy = (curve[picked, : 2 * span.size] for curve in (prosody.f0, prosody.energy))
        text = span.clear(_spread(prosody.text[picked], prosody.durations[picked], span.size).transpose(1, 2))
        style = prosody.styles[picked, : self.sizes.style].to(dtype)
        return self.decoder(text, f0, energy, noise, style, span, span.times(2))


def unfilled(sizes: Sizes = FULL) -> KokoroNetwork:
    """A network whose every weight has yet to be loaded: to draw random ones takes most of a second."""
    with _WithoutDraws():
        return KokoroNetwork(sizes)


class _WithoutDraws(TorchFunctionMode):
    """In the block, torch's layers leave their weights as memory has them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _spread(x: Tensor, durations: Tensor, size: int) -> Tensor:
    """`x` [batch, tokens, channels], each token as often as it has frames: [batch, size, channels]."""
    ends = durations.cumsum(1)
    at = torch.arange(size, device=x.device).expand(len(x), -1).contiguous()
    token = torch.searchsorted(ends, at, right=True).clamp_(max=x.shape[1] - 1)
    return x.gather(1, token[:, :, None].expand(-1, -1, x.shape[2]))
