"""What is said, phoneme by phoneme: embedding, convolutions and a recurrent layer, each row over its own length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Convolution
from .prosody import bidirectional
from .sizes import VOCABULARY, Sizes
from .span import Span

_KERNEL = 5


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [batch, channels, time]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, 1e-5).transpose(1, 2)


class TextEncoder(nn.Module):
    """Phoneme ids to [batch, tokens, hidden], zeros past the end of each row."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.hidden
        self.embedding = nn.Embedding(VOCABULARY, width)
        layers = [nn.Sequential(Convolution(width, width, _KERNEL), ChannelNorm(width)) for _ in range(3)]
        self.cnn = nn.ModuleList(layers)
        self.lstm = bidirectional(width, width)

    def forward(self, ids: Tensor, span: Span) -> Tensor:
        x = span.clear(self.embedding(ids).transpose(1, 2))
        for layer in self.cnn:
            x = span.clear(F.leaky_relu(layer(x), 0.2))
        return span.run_lstm(self.lstm, x.transpose(1, 2))
