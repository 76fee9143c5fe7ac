"""The operations of a layer, each by as few operators of torch as give the same bits.

A step of one input for each row is so little work that a GPU waits for the host to launch it: the number of operators
is the time. What all layers share is made once in a pass (`PassInputs`). `TritonOps` has the same operations as fused
kernels, for a GPU.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....engine.cache import Cache
from ....engine.network import Attended
from ..checkpoint.layout import RMS_NORM_EPS, ROPE_THETA
from .linear import linear_added

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class PassInputs:
    """What all layers of one pass through the network share.

    Attributes:
        rows: int64 [rows, 1]: the slots, from `first` on
        attended: With the inputs' positions in it, int64 [rows, time]
        reach: The first positions of the cache, to which attention is bounded
        turn: Float [rows, time, 2, head size]: a line of `rotation` for each input
        mask: Float [rows, 1, time, reach], added to the scores: 0 or minus infinity. None if the kernel needs none
    """

    cache: Cache
    first: int
    rows: Tensor
    attended: Attended
    reach: int
    turn: Tensor
    mask: Tensor | None

    def filled(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values [rows, heads, reach, head size] of a layer; no copy."""
        return self.cache.view(layer, self.first, len(self.rows), self.reach)


class LayerOps:
    """By torch's operators, for any device.

    Args:
        rotation: Of `rotation`, in the dtype of the weights
        is_exact: Attention does not depend on a row's place among others, to the last bit
    """

    def __init__(self, rotation: Tensor, num_heads: int, *, is_exact: bool) -> None:
        self._rotation, self._heads = rotation, num_heads
        self.attend = _attend_exactly if is_exact else _attend

    def inputs(self, cache: Cache, first: int, attended: Attended, reach: int) -> PassInputs:
        """What the layers of a pass share."""
        return self._inputs(cache, first, attended, reach, self._mask(attended, reach))

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm of x [..., hidden]."""
        return rms_norm(x, weight)

    def place(self, qkv: Tensor, layer: int, shared: PassInputs) -> Tensor:
        """Turn queries and keys by their positions, and write keys and values into the cache.

        Args:
            qkv: [rows, time, 3 * hidden]; overwritten

        Returns:
            Queries [rows, heads, time, head size]
        """
        parts = qkv.view(*qkv.shape[:2], 3, self._heads, -1)
        turn_in_place(parts[:, :, :2], shared.turn)
        shared.cache.put_pairs(layer, shared.rows, shared.attended.at, parts[:, :, 1:])
        return parts[:, :, 0].transpose(1, 2)

    def seen(self, query: Tensor, layer: int, shared: PassInputs) -> Tensor:
        """What the inputs see, [rows, time, hidden], of their queries [rows, heads, time, head size]."""
        assert shared.mask is not None
        keys, values = shared.filled(layer)
        return self.attend(query, keys, values, shared.mask).transpose(1, 2).flatten(2)

    def joined(self, x: Tensor, branch: Tensor, weight: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
        """X plus a branch's last product, and the norm of this sum: both [rows, time, hidden].

        Args:
            branch: [rows, time, in], what the product takes
            weight: [hidden, in]
            norm: [hidden], the weight of the norm
        """
        x = linear_added(branch, weight, x)
        return x, rms_norm(x, norm)

    def gated(self, gate_up: Tensor) -> Tensor:
        """The first half through SiLU, times the other half: [..., ffn] of [..., 2 * ffn]."""
        gate, up = gate_up.chunk(2, -1)
        return F.silu(gate) * up

    def _inputs(self, cache: Cache, first: int, attended: Attended, reach: int, mask: Tensor | None) -> PassInputs:
        at = attended.at
        rows = torch.arange(first, first + len(at), device=at.device)[:, None]
        return PassInputs(cache, first, rows, attended, reach, self._rotation[at], mask)

    def _mask(self, attended: Attended, reach: int) -> Tensor:
        is_hidden = attended.mask(reach)[:, None].logical_not()
        return self._rotation.new_zeros(is_hidden.shape).masked_fill_(is_hidden, -torch.inf)


def layer_ops(rotation: Tensor, num_heads: int, *, is_exact: bool) -> LayerOps:
    """The operations for the device of `rotation`: fused kernels where Triton can compile for it, else torch's.

    Arguments are those of `LayerOps`.
    """
    if rotation.device.type == "cuda":
        try:
            # Only here: it imports a compiler. Triton comes with torch for CUDA.
            from .triton_ops import TritonOps

            ops = TritonOps(rotation, num_heads, is_exact=is_exact)
            ops.norm(rotation[:1, 0], rotation[0, 0])
        except Exception as error:
            logger.warning("layers are computed without fused kernels, Triton cannot run here: %.300s", error)
        else:
            return ops
    return LayerOps(rotation, num_heads, is_exact=is_exact)


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """RMS norm (https://arxiv.org/abs/1910.07467), computed in float32, and rounded before the weight as in Llama."""
    if x.dtype == torch.float32:
        return F.rms_norm(x, weight.shape, weight, RMS_NORM_EPS)
    return weight * F.rms_norm(x, weight.shape, None, RMS_NORM_EPS)


def rotation(size: int, positions: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Cosines and signed sines of the rotary embedding by halves: [positions, 2, size].

    The first half of the sines is negative, so that x * cos + rolled x * sin is the whole turn
    (https://arxiv.org/abs/2104.09864).
    """
    rate = ROPE_THETA ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)
    angle = torch.arange(positions, dtype=torch.float32)[:, None] * rate
    cos, sin = angle.cos(), angle.sin()
    lines = torch.stack((torch.cat((cos, cos), 1), torch.cat((-sin, sin), 1)), 1)
    return lines.to(dtype).to(device)


def turned(x: Tensor, turn: Tensor) -> Tensor:
    """Turn x [..., heads, head size] by the lines [..., 2, head size] of its positions, into a new tensor."""
    cos, sin = turn.unsqueeze(-3).unbind(-2)
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


def turn_in_place(parts: Tensor, turn: Tensor) -> None:
    """Turn [rows, time, parts, heads, head size] by lines [rows, time, 2, head size]."""
    cos, sin = turn[:, :, None, None].unbind(-2)
    other = parts.roll(parts.shape[-1] // 2, -1).mul_(sin)
    parts.mul_(cos).add_(other)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """[rows, heads, time, size] of queries of that shape and keys and values [rows, heads, reach, size]."""
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)


def _attend_exactly(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """The same, where torch's fused kernel on a CPU rounds by the thread that a row falls to (seen with torch 2.11)."""
    scores = query * query.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
    return (scores + mask).softmax(-1) @ values
