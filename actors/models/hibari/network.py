"""The acoustic network of hibari in torch: phoneme ids in, per-frame features, pitch and durations out, batched.

Guarantees that a row's result does not depend on its batch mates beyond float rounding: padding is zero after every
block, attention is masked by length, frames are masked by duration. Knows nothing of files, text or waveforms.
The architecture is that of the ONNX graph in hibari-tts 0.2.1 (https://pypi.org/project/hibari-tts/).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINS = 601
VOCABULARY = 178


class Frames(NamedTuple):
    """What the network says of a batch.

    Attributes:
        features: float32 [batch, max_frames, 256], 80 frames per second; `HibariNetwork.head` makes the spectrum of
            them
        f0: float32 [batch, max_frames], Hz; below 40 is unvoiced
        num_frames: int64 [batch]
        durations: int64 [batch, max_tokens], in steps of two frames
    """

    features: Tensor
    f0: Tensor
    num_frames: Tensor
    durations: Tensor


class ConvBlock(nn.Module):
    """ConvNeXt block over time: x [batch, channels, time] + scaled MLP of its depthwise convolution."""

    def __init__(self, channels: int, hidden: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.dw = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.pw1 = nn.Linear(channels, hidden)
        self.pw2 = nn.Linear(hidden, channels)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.norm(self.dw(x).transpose(1, 2))  # [batch, time, channels]
        hidden = self.pw2(F.gelu(self.pw1(hidden))) * self.gamma
        return (x + hidden.transpose(1, 2)) * mask  # zero again, as the next convolution pads with zeros


class Attention(nn.Module):
    """Pre-norm transformer layer with two heads, over x [batch, time, channels]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(channels, 3 * channels)
        self.out_proj = nn.Linear(channels, channels)
        self.linear1 = nn.Linear(channels, 2 * channels)
        self.linear2 = nn.Linear(2 * channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, key_mask: Tensor | None) -> Tensor:
        batch, time, channels = x.shape
        heads = self.in_proj(self.norm1(x)).view(batch, time, 3, 2, channels // 2)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # 3 of [batch, 2, time, channels / 2]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=key_mask)
        x = x + self.out_proj(attended.transpose(1, 2).reshape(batch, time, channels))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class TextEncoder(nn.Module):
    """Phoneme ids to [batch, tokens, channels], by one attention layer applied `loops` times."""

    def __init__(self, channels: int, loops: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(VOCABULARY, channels)
        self.convs = nn.ModuleList([ConvBlock(channels, 2 * channels, 5) for _ in range(2)])
        self.attention = Attention(channels)
        self.norm = nn.LayerNorm(channels)
        self.loops = loops

    def forward(self, ids: Tensor, is_token: Tensor, key_mask: Tensor | None) -> Tensor:
        mask = is_token[:, None].float()
        x = self.emb(ids).transpose(1, 2) * mask
        for conv in self.convs:
            x = conv(x, mask)
        x = x.transpose(1, 2)
        for _ in range(self.loops):
            x = self.attention(x, key_mask)
        return self.norm(x)


class HibariNetwork(nn.Module):
    """Two text encoders, durations, prosody at 40 Hz, decoder at 80 Hz, and the head that synthesis applies."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEncoder(128, loops=4)
        self.prosody_text = TextEncoder(192, loops=6)
        self.duration = nn.Sequential(nn.Conv1d(192, 192, 3, padding=1), nn.GELU(), nn.Conv1d(192, 1, 1))
        self.pro_in = nn.Conv1d(192, 192, 1)
        self.pro = nn.ModuleList([ConvBlock(192, 384, 7, dilation) for dilation in (1, 2, 4, 8, 1, 2)])
        self.pro_out = nn.Conv1d(192, 4, 1)
        self.dec_in = nn.Conv1d(130, 256, 7, padding=3)
        self.dec = nn.ModuleList([ConvBlock(256, 768, 7) for _ in range(8)])
        self.dec_norm = nn.LayerNorm(256)
        self.head = nn.Linear(256, 5 * BINS)

    def forward(self, ids: Tensor, lengths: Tensor, speeds: Tensor) -> Frames:
        """Ids int64 [batch, max_tokens] padded with any id, lengths int64 [batch], speeds float32 [batch]."""
        batch, tokens = ids.shape
        is_token = _up_to(lengths, tokens)
        # Where nothing is padded, no mask: attention is faster without.
        key_mask = None if bool(is_token.all()) else is_token[:, None, None]
        text = self.text(ids, is_token, key_mask)
        prosody_text = self.prosody_text(ids, is_token, key_mask)
        durations = self._durations(prosody_text, is_token, speeds)
        ends = durations.cumsum(1)
        num_steps = ends[:, -1]
        steps = int(num_steps.max())
        at = torch.arange(steps, device=ids.device).expand(batch, steps).contiguous()
        token = torch.searchsorted(ends, at, right=True).clamp_(max=tokens - 1)  # the token spoken at each step
        f0, energy = self._prosody(_expand(prosody_text, token), _up_to(num_steps, steps))
        is_frame = _up_to(2 * num_steps, 2 * steps)
        spoken = _expand(text, token).repeat_interleave(2, 1)
        features = self._decode(spoken, f0, energy, is_frame[:, None].float())
        return Frames(features, f0, 2 * num_steps, durations)

    def _durations(self, x: Tensor, is_token: Tensor, speeds: Tensor) -> Tensor:
        log = self.duration(x.transpose(1, 2) * is_token[:, None])[:, 0]
        steps = torch.round((torch.exp(log) - 1) / speeds[:, None]).clamp(min=1).long()
        return steps * is_token

    def _prosody(self, x: Tensor, is_step: Tensor) -> tuple[Tensor, Tensor]:
        """f0 in Hz and energy, both [batch, 2 * steps]."""
        mask = is_step[:, None].float()
        x = self.pro_in(x.transpose(1, 2)) * mask
        for block in self.pro:
            x = block(x, mask)
        batch, _, steps = x.shape
        # [batch, 4, steps]: f0 of even and odd frames, energy of even and odd frames
        curves = self.pro_out(x).view(batch, 2, 2, steps).transpose(2, 3).reshape(batch, 2, 2 * steps)
        return curves[:, 0] * 100.0, curves[:, 1] * 5.0

    def _decode(self, spoken: Tensor, f0: Tensor, energy: Tensor, mask: Tensor) -> Tensor:
        curves = torch.stack((torch.log(1 + F.relu(f0)) / 5, energy / 5), 1)
        x = torch.cat((spoken.transpose(1, 2), curves), 1) * mask
        x = self.dec_in(x) * mask
        for block in self.dec:
            x = block(x, mask)
        return self.dec_norm(x.transpose(1, 2))


def _up_to(lengths: Tensor, size: int) -> Tensor:
    """Mask bool [batch, size], true below each length."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def _expand(x: Tensor, token: Tensor) -> Tensor:
    """Pick from x [batch, tokens, channels] by token [batch, steps]."""
    return x.gather(1, token[:, :, None].expand(-1, -1, x.shape[2]))
