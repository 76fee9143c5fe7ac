"""The transformer over mel frames: noisy frames, reference and text to the velocity of each frame.

Guarantees that a row in a padded batch is what it is alone: attention sees a row's own frames, and padding is zero
before every convolution. Knows neither steps nor guidance: a time comes as its modulation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..checkpoint.layout import NUM_GROUPS, POSITION_KERNEL, F5Sizes
from .rows import Rows

_EPS = 1e-6


class FrameTransformer:
    """The network of one checkpoint, in one number format."""

    def __init__(self, sizes: F5Sizes, state: Mapping[str, Tensor]) -> None:
        """`state` is on its device and in its dtype; the frequencies of positions are float32."""
        self._sizes, self._state = sizes, state
        self._layers = [_Layer(sizes, state, layer) for layer in range(sizes.num_layers)]
        self._inv_freq = state["transformer.rotary_embed.inv_freq"].float()
        weight = state["transformer.input_embed.proj.weight"]
        self._noisy, self._reference, self._text = weight.split((sizes.n_mels, sizes.n_mels, sizes.text_hidden), 1)

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and activations."""
        return self._noisy.dtype

    def given(self, text: Tensor, reference: Tensor | None) -> Tensor:
        """The part of the input that is the same at every step: [batch, size, hidden].

        Args:
            text: Float [batch, size, text_hidden].
            reference: Log-mel [batch, size, n_mels], zero behind the reference; None where it is left out.
        """
        x = F.linear(text, self._text, self._get("input_embed.proj.bias"))
        return x if reference is None else x + F.linear(reference, self._reference)

    def rotation(self, size: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the positions: each [size, head_dim / 2]."""
        angles = torch.outer(torch.arange(size, device=self._inv_freq.device).float(), self._inv_freq)
        return angles.cos().to(self.dtype), angles.sin().to(self.dtype)

    def velocity(
        self, noisy: Tensor, given: Tensor, layers: Tensor, last: Tensor, rows: Rows, rotation: tuple[Tensor, Tensor]
    ) -> Tensor:
        """The velocity [batch, size, n_mels]; anything in padding.

        Args:
            noisy: Frames [batch, size, n_mels], or of a first part of the batch that its other parts repeat.
            given: As `given` makes it, of the whole batch.
            layers, last: What the time does: [layers, 6, hidden] and [2, hidden].
            rows: Of the whole batch.
            rotation: As `rotation` makes it.
        """
        entered = F.linear(noisy, self._noisy)
        x = given + entered.repeat(len(given) // len(noisy), 1, 1)
        x = x + self._positions(x, rows)
        for layer, modulation in zip(self._layers, layers, strict=True):
            x = layer(x, modulation, rows, rotation)
        scale, shift = last
        x = torch.addcmul(shift, F.layer_norm(x, x.shape[2:], eps=_EPS), 1 + scale)
        return F.linear(x, self._get("proj_out.weight"), self._get("proj_out.bias"))

    def _positions(self, x: Tensor, rows: Rows) -> Tensor:
        """What convolutions over neighbouring frames add, which is how frames know their order."""
        for conv in (0, 2):
            name = f"input_embed.conv_pos_embed.conv1d.{conv}"
            y = rows.clear(x).transpose(1, 2)
            y = F.conv1d(
                y, self._get(f"{name}.weight"), self._get(f"{name}.bias"), 1, POSITION_KERNEL // 2, 1, NUM_GROUPS
            )
            x = F.mish(y.transpose(1, 2))
        return rows.clear(x)

    def _get(self, tensor: str) -> Tensor:
        return self._state[f"transformer.{tensor}"]


class _Layer:
    """Attention over a row's frames, then an MLP; both are scaled, shifted and gated by the time."""

    def __init__(self, sizes: F5Sizes, state: Mapping[str, Tensor], layer: int) -> None:
        self._heads, self._state = sizes.num_heads, state
        self._name = f"transformer.transformer_blocks.{layer}"

    def __call__(self, x: Tensor, modulation: Tensor, rows: Rows, rotation: tuple[Tensor, Tensor]) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation
        y = torch.addcmul(shift, F.layer_norm(x, x.shape[2:], eps=_EPS), 1 + scale)
        x = torch.addcmul(x, gate, self._attention(y, rows, rotation))
        y = torch.addcmul(mlp_shift, F.layer_norm(x, x.shape[2:], eps=_EPS), 1 + mlp_scale)
        y = self._linear("ff.ff.2", F.gelu(self._linear("ff.ff.0.0", y), approximate="tanh"))
        return torch.addcmul(x, mlp_gate, y)

    def _attention(self, x: Tensor, rows: Rows, rotation: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = (
            self._linear(f"attn.{name}", x).unflatten(2, (self._heads, -1)) for name in ("to_q", "to_k", "to_v")
        )
        query, key, value = (y.transpose(1, 2) for y in (_rotated(query, rotation), _rotated(key, rotation), value))
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=rows.keys)
        return self._linear("attn.to_out.0", y.transpose(1, 2).flatten(2))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._state[f"{self._name}.{name}.weight"], self._state[f"{self._name}.{name}.bias"])


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """X [batch, size, heads, head_dim] with each pair of neighbouring channels turned by its position."""
    cos, sin = (part[:, None] for part in rotation)  # [size, 1, head_dim / 2]
    even, odd = x.unflatten(3, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(3)
