"""How a text is said: the frames of each phoneme, and pitch and energy along them.

Guarantees a row's own prosody in every batch. Runs in float64 (the network says so): durations are rounded and phase
sums pitch up over a row, so that what float32 rounds differently in another batch would be heard.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ResidualBlock
from .sizes import Sizes
from .span import Span


class StyledLayerNorm(nn.Module):
    """Layer norm without weights of its own, scaled and shifted as the style has it."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * channels)
        self._shape = (channels,)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.fc(style)[:, None].chunk(2, 2)
        return F.layer_norm(x, self._shape) * (1 + scale) + shift


class MannerEncoder(nn.Module):
    """Phonemes under a manner: recurrent layers and norms in turn, the manner beside the input of each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [bidirectional(sizes.hidden + sizes.style, sizes.hidden)]
            layers += [StyledLayerNorm(sizes.style, sizes.hidden)]
        self.lstms = nn.ModuleList(layers)

    def forward(self, x: Tensor, manner: Tensor, span: Span) -> Tensor:
        """[batch, tokens, hidden] to [batch, tokens, hidden + style], zeros past the end of each row."""
        beside = manner[:, None].expand(-1, x.shape[1], -1)
        x = span.clear_steps(torch.cat((x, beside), 2))
        for lstm, norm in zip(self.lstms[0::2], self.lstms[1::2], strict=True):
            assert isinstance(lstm, nn.LSTM)
            x = norm(span.run_lstm(lstm, x), manner)
            x = span.clear_steps(torch.cat((x, beside), 2))
        return x


class Predictor(nn.Module):
    """Durations of phonemes, then pitch and energy of half frames."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.hidden + sizes.style
        self.text_encoder = MannerEncoder(sizes)
        self.lstm = bidirectional(width, sizes.hidden)
        self.duration_proj = nn.ModuleDict({"linear_layer": nn.Linear(sizes.hidden, sizes.durations)})
        self.shared = bidirectional(width, sizes.hidden)
        self.F0, self.N = _curve_blocks(sizes), _curve_blocks(sizes)
        self.F0_proj, self.N_proj = nn.Conv1d(sizes.hidden // 2, 1, 1), nn.Conv1d(sizes.hidden // 2, 1, 1)

    def durations(self, encoded: Tensor, speeds: Tensor, span: Span) -> Tensor:
        """Frames of each phoneme, at least 1: int64 [batch, tokens], 0 past the end of each row.

        Args:
            encoded: Of `text_encoder`
            speeds: [batch], 2 is twice as fast
        """
        x = self.duration_proj["linear_layer"](span.run_lstm(self.lstm, encoded))
        frames = torch.round(torch.sigmoid(x).sum(2) / speeds[:, None]).clamp(min=1)
        return (frames if span.mask is None else frames * span.mask[:, 0]).long()

    def curves(self, spread: Tensor, manner: Tensor, span: Span, half: Span) -> tuple[Tensor, Tensor]:
        """Pitch in Hz (0 or less: none) and energy of every half frame: [batch, half.size] each, zeros after a row.

        Args:
            spread: What `text_encoder` gave, for each frame that of its phoneme: [batch, span.size, hidden + style]
        """
        x = span.clear(span.run_lstm(self.shared, spread).transpose(1, 2))
        return (
            self._curve(self.F0, self.F0_proj, x, manner, span, half),
            self._curve(self.N, self.N_proj, x, manner, span, half),
        )

    def _curve(
        self, blocks: nn.ModuleList, projection: nn.Module, x: Tensor, manner: Tensor, span: Span, half: Span
    ) -> Tensor:
        for block, before, after in zip(blocks, (span, span, half), (span, half, half), strict=True):
            x = block(x, manner, before, after)
        return half.clear(projection(x))[:, 0]


def bidirectional(inputs: int, outputs: int) -> nn.LSTM:
    """A recurrent layer that reads both ways, half of the outputs each."""
    return nn.LSTM(inputs, outputs // 2, batch_first=True, bidirectional=True)


def _curve_blocks(sizes: Sizes) -> nn.ModuleList:
    whole, half = sizes.hidden, sizes.hidden // 2
    return nn.ModuleList(
        [
            ResidualBlock(sizes.style, whole, whole),
            ResidualBlock(sizes.style, whole, half, doubles=True),
            ResidualBlock(sizes.style, half, half),
        ]
    )
