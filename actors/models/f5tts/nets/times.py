"""The times at which the velocity is asked for, and what the network makes of a time. The grids are pure numbers.

Sway sampling takes small steps first (https://arxiv.org/abs/2410.06885); for some numbers of steps the published
sampler drops steps of a grid of 32 that matter least (EPSS, https://arxiv.org/abs/2505.19931).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

_GRID = 32
_PRUNED: Mapping[int, tuple[int, ...]] = {
    5: (0, 2, 4, 8, 16, 32),
    6: (0, 2, 4, 6, 8, 16, 32),
    7: (0, 2, 4, 6, 8, 16, 24, 32),
    10: (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32),
    12: (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
    16: (*range(9), 10, 12, 14, 16, 20, 24, 28, 32),
}
"""Of a grid of 32 steps, those that are kept."""
_TIME_SCALE, _LONGEST = 1_000.0, 10_000.0


def times(steps: int, sway: float) -> Tensor:
    """The times 0 … 1, float32 [steps + 1]. `sway` is 0 for even steps, -1 for those that start the smallest."""
    even = torch.tensor(_PRUNED[steps]).float() / _GRID if steps in _PRUNED else torch.linspace(0, 1, steps + 1)
    return even + sway * (torch.cos(math.pi / 2 * even) - 1 + even)


class Modulations:
    """What a time does to every layer: one row for each time, computed once, as times are the same for all rows.

    Attributes:
        layers: Float [times, layers, 6, hidden]: shift, scale and gate of attention, then those of the MLP
        last: Float [times, 2, hidden]: scale and shift before the output
    """

    def __init__(self, state: Mapping[str, Tensor], num_layers: int, at: Tensor, dtype: torch.dtype) -> None:
        first, second = (f"transformer.time_embed.time_mlp.{layer}" for layer in (0, 2))
        half = state[f"{first}.weight"].shape[1] // 2
        at = at.to(state[f"{first}.weight"].device)
        frequencies = torch.exp(torch.arange(half, device=at.device).float() * -(math.log(_LONGEST) / (half - 1)))
        angles = _TIME_SCALE * at[:, None] * frequencies
        x = torch.cat((angles.sin(), angles.cos()), -1)
        x = F.silu(F.linear(x, state[f"{first}.weight"], state[f"{first}.bias"]))
        x = F.silu(F.linear(x, state[f"{second}.weight"], state[f"{second}.bias"]))

        def modulation(name: str, parts: int) -> Tensor:
            return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"]).unflatten(1, (parts, -1)).to(dtype)

        blocks = [f"transformer.transformer_blocks.{layer}.attn_norm.linear" for layer in range(num_layers)]
        self.layers = torch.stack([modulation(block, 6) for block in blocks], 1)
        self.last = modulation("transformer.norm_out.linear", 2)
