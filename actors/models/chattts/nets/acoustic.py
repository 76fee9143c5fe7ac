"""Between steps of speech and mel frames: the decoder of hidden states, and the DVAE that reads and writes codes.

A step is four codes, or the hidden state that they were drawn from, and becomes two frames of the log-mel spectrogram.
Guarantees that a row's result does not depend on its batch mates beyond float rounding: padding, whatever it holds,
is zero before every convolution. A frame depends on `context_frames` frames to either side and on nothing else, so
speech can be decoded piece by piece. Nothing is kept between calls. Knows neither text nor waveforms.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..checkpoint.layout import Sizes
from .layers import ConvNeXt, Convolution, StateDict, clear, cleared, padding_of
from .quantiser import Quantiser, ResidualStart

_DILATION = 2


class _Stack:
    """Convolutions to a narrow and then a wide frame, ConvNeXt blocks, and a linear map, all of one rate."""

    def __init__(self, state: StateDict, name: str, blocks: int) -> None:
        self._narrow = Convolution(state, f"{name}.conv_in.0", padding=1)
        self._wide = Convolution(state, f"{name}.conv_in.2", padding=1)
        self._blocks = [ConvNeXt(state, f"{name}.decoder_block.{i}", "weight", _DILATION) for i in range(blocks)]
        self._out = state[f"{name}.conv_out.weight"][:, :, 0]
        self.context_frames = 2 + 3 * _DILATION * blocks

    def __call__(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """[batch, time, out] of x [batch, time, in], zero in padding if x is."""
        x = clear(F.gelu(self._narrow(x)), padding)
        x = clear(self._wide(x), padding)
        for block in self._blocks:
            block.add_to(x, padding)
        return F.linear(x, self._out)


class _MelDecoder:
    """The half that both decoders share: a step's channels, two frames side by side, to two log-mel frames."""

    def __init__(self, state: StateDict, blocks: int) -> None:
        self._stack = _Stack(state, "decoder", blocks)
        self._out = Convolution(state, "out_conv", padding=1)
        self._coef = state["coef"].flatten()  # [n_mels]
        self.dtype = self._coef.dtype
        self.context_frames = self._stack.context_frames + 1

    def __call__(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """[batch, n_mels, 2 * steps] of x [batch, steps, 2 * channels] and the padding of its steps."""
        batch, steps, channels = x.shape
        x = cleared(x.to(self.dtype), padding).reshape(batch, 2 * steps, channels // 2)
        padding = None if padding is None else padding.repeat_interleave(2, 1)
        mel = self._out(self._stack(x, padding)) * self._coef
        return clear(mel, padding).transpose(1, 2)


class HiddenDecoder:
    """Hidden states of the language model to log-mel: what speech is normally decoded with."""

    def __init__(self, sizes: Sizes, state: StateDict) -> None:
        """`state` is that of the part "decoder", on its device and in its dtype."""
        self._decoder = _MelDecoder(state, sizes.decoder_blocks)
        self.context_frames = self._decoder.context_frames

    def decode(self, hiddens: Tensor, lengths: Tensor) -> Tensor:
        """Log-mel [batch, n_mels, 2 * steps] in the weights' dtype; zero from a row's frame 2 * length on.

        Args:
            hiddens: Float [batch, hidden, steps], the states that the codes were drawn from
            lengths: int64 [batch], in steps, at least 1

        Raises:
            ValueError: For a length that is not within 1 to steps
        """
        x = hiddens.transpose(1, 2)
        return self._decoder(x, padding_of(x, lengths))


class CodeDecoder:
    """Codes to log-mel: the half of a DVAE that speech is decoded with."""

    def __init__(self, sizes: Sizes, state: StateDict, start: ResidualStart = ResidualStart.BOUNDED) -> None:
        """`state` has the tensors of the quantiser and the decoder, on their device and in their dtype."""
        self._quantiser = Quantiser(sizes, state, "vq_layer.quantizer.rvqs", start)
        self._decoder = _MelDecoder(state, sizes.dvae_blocks)
        self.context_frames = self._decoder.context_frames

    def decode(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Log-mel [batch, n_mels, 2 * steps] in the weights' dtype; zero from a row's frame 2 * length on.

        Args:
            codes: int64 [batch, num_vq, steps], anything in padding
            lengths: int64 [batch], in steps, at least 1

        Raises:
            ValueError: For a length that is not within 1 to steps, or a code outside the codebook
        """
        steps = codes.transpose(1, 2)
        padding = padding_of(steps, lengths)
        steps = cleared(steps, padding)
        low, high = (int(bound) for bound in torch.stack(steps.aminmax()).tolist())
        if low < 0 or high >= self._quantiser.num_codes:
            raise ValueError(f"codes from {low} to {high}; allowed: 0 to {self._quantiser.num_codes - 1}")
        return self._decoder(self._quantiser.decode(steps), padding)


class Dvae(CodeDecoder):
    """Log-mel to codes, for a voice given as audio, and codes to log-mel."""

    def __init__(self, sizes: Sizes, state: StateDict, start: ResidualStart = ResidualStart.BOUNDED) -> None:
        """`state` is that of the part "dvae", on its device and in its dtype; `mel` reads the rest of it."""
        super().__init__(sizes, state, start)
        self._enter = Convolution(state, "downsample_conv.0", padding=1)
        self._halve = Convolution(state, "downsample_conv.2", padding=1, stride=2)
        self._encoder = _Stack(state, "encoder", sizes.dvae_blocks)
        self._coef = state["coef"].flatten()  # [n_mels]

    def encode(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Codes int64 [batch, num_vq, frames // 2]; zero from a row's step length // 2 on.

        Args:
            mel: Float [batch, n_mels, frames], log-mel
            lengths: int64 [batch], in frames, at least 2; the last of an odd number has no step of its own

        Raises:
            ValueError: For a length that is not within 2 to frames
        """
        frames = mel.transpose(1, 2).to(self._coef.dtype)
        padding = padding_of(frames, lengths, least=2)
        x = clear(F.gelu(self._enter(cleared(frames, padding) / self._coef)), padding)
        x = F.gelu(self._halve(x))
        # A step of a row is whole as soon as its second frame is there.
        padding = None if padding is None else padding[:, 1::2]
        codes = self._quantiser.encode(self._encoder(clear(x, padding), padding))
        return clear(codes, padding).transpose(1, 2)
