"""Tokens to a vector for each frame, once for each row: embedding, positions, ConvNeXt V2 (arXiv:2301.00808) blocks.

A row has as many positions as frames; behind its tokens they are fillers, which give nothing but count in the norm over
time. Without the text, which guidance subtracts, each token is the filler's embedding in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..checkpoint.layout import TEXT_KERNEL, F5Sizes
from .rows import Rows

StateDict = Mapping[str, Tensor]

_EPS = 1e-6
_THETA = 10_000.0


class TextEmbedding:
    """The embedding of one checkpoint."""

    def __init__(self, sizes: F5Sizes, state: StateDict) -> None:
        prefix = "transformer.text_embed"
        self._table = state[f"{prefix}.text_embed.weight"]
        self._blocks = [_Block(state, f"{prefix}.text_blocks.{block}") for block in range(sizes.text_blocks)]
        powers = torch.arange(0, sizes.text_hidden, 2, device=self._table.device).float() / sizes.text_hidden
        self._frequencies = 1.0 / _THETA**powers

    def __call__(self, tokens: Tensor, rows: Rows, *, is_dropped: bool) -> Tensor:
        """Float [batch, size, text_hidden].

        Args:
            tokens: int64 [batch, size], 1 + the id of each token, 0 in fillers and padding.
            rows: Whose tokens they are.
            is_dropped: Whether the text is left out.
        """
        is_filler = (tokens == 0)[:, :, None]
        angles = torch.outer(torch.arange(rows.size, device=tokens.device).float(), self._frequencies)
        positions = torch.cat((angles.cos(), angles.sin()), -1).to(self._table.dtype)
        x = F.embedding(torch.zeros_like(tokens) if is_dropped else tokens, self._table) + positions
        x = x.masked_fill(is_filler, 0)
        for block in self._blocks:
            x = block(x, rows).masked_fill(is_filler, 0)
        return x


class _Block:
    def __init__(self, state: StateDict, name: str) -> None:
        self._state, self._name = state, name

    def __call__(self, x: Tensor, rows: Rows) -> Tensor:
        """X plus what its neighbours in time say; padding of x is zero."""
        kernel, bias = self._get("dwconv.weight"), self._get("dwconv.bias")
        y = F.conv1d(x.transpose(1, 2), kernel, bias, padding=TEXT_KERNEL // 2, groups=x.shape[2]).transpose(1, 2)
        y = F.layer_norm(y, y.shape[2:], self._get("norm.weight"), self._get("norm.bias"), _EPS)
        y = rows.clear(F.gelu(F.linear(y, self._get("pwconv1.weight"), self._get("pwconv1.bias"))))
        norms = y.float().norm(dim=1, keepdim=True)  # [batch, 1, channels], over the row's own frames
        y = y + self._get("grn.gamma") * (y * (norms / (norms.mean(-1, keepdim=True) + _EPS)).to(y.dtype))
        y = y + self._get("grn.beta")
        return x + F.linear(y, self._get("pwconv2.weight"), self._get("pwconv2.bias"))

    def _get(self, tensor: str) -> Tensor:
        return self._state[f"{self._name}.{tensor}"]
