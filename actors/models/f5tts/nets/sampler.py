"""From noise to mel frames: Euler's steps along the velocity, away from what is said without text and reference.

Guarantees that a row depends on its own tokens, reference, noise and length alone. The frames and their sum are in
float32 whatever the network is in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..checkpoint.layout import F5Sizes
from .rows import Rows
from .text_embedding import TextEmbedding
from .times import Modulations, times
from .transformer import FrameTransformer

_ONCE = ("time_embed.", "norm_out.", "attn_norm.")
"""Tensors that only modulations are made of, which are made once."""


class Sampler:
    """The network of one checkpoint with one way to sample."""

    def __init__(
        self, sizes: F5Sizes, state: Mapping[str, Tensor], steps: int, guidance: float, sway: float, dtype: torch.dtype
    ) -> None:
        """Take the weights, float32 on their device.

        Args:
            sizes: Of the network.
            state: Its tensors by name.
            steps: Euler's steps.
            guidance: How far to go away from what is said without text and reference; 0 for not.
            sway: As in `times.times`.
            dtype: What the network computes in.
        """
        at = times(steps, sway)
        self._moves: Sequence[float] = (at[1:] - at[:-1]).tolist()
        self._modulations = Modulations(state, sizes.num_layers, at[:-1], dtype)
        kept = {name: tensor.to(dtype) for name, tensor in state.items() if not any(part in name for part in _ONCE)}
        kept["transformer.rotary_embed.inv_freq"] = state["transformer.rotary_embed.inv_freq"]
        self._text = TextEmbedding(sizes, kept)
        self._network = FrameTransformer(sizes, kept)
        self._guidance, self._is_guided = guidance, guidance > 0

    def frames(self, noise: Tensor, tokens: Tensor, reference: Tensor, rows: Rows) -> Tensor:
        """Log-mel float32 [batch, size, n_mels], anything in padding; the reference is not put back.

        Args:
            noise: float32 [batch, size, n_mels], unit normal.
            tokens: int64 [batch, size], 1 + the id of each token, 0 behind them.
            reference: Log-mel float32 [batch, size, n_mels], zero behind the reference.
            rows: How long each is.
        """
        given = self._network.given(self._text(tokens, rows, is_dropped=False), reference.to(self._network.dtype))
        if self._is_guided:
            without = self._network.given(self._text(tokens, rows, is_dropped=True), None)
            given, branches = torch.cat((given, without)), rows.twice()
        else:
            branches = rows
        rotation = self._network.rotation(rows.size)
        x = noise.clone()
        for move, layers, last in zip(self._moves, self._modulations.layers, self._modulations.last, strict=True):
            noisy = x.to(self._network.dtype)
            velocity = self._network.velocity(noisy, given, layers, last, branches, rotation).float()
            if self._is_guided:
                toward, without = velocity.chunk(2)
                velocity = toward + (toward - without) * self._guidance
            x = x + move * velocity
        return x
