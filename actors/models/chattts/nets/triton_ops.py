"""The operations of a layer as fused kernels in Triton, for a GPU: ten launches a layer and step.

Guaranteed: what a row comes to does not depend on its neighbours, their lengths or the reach of a step. Attention of a
step cuts each row into splits of the same `SPLIT` positions, reads only those that the row attends to, and joins them
in order. Sums are in float32. Against `LayerOps` results differ by rounding alone. Products stay torch's.

A head's keys and values are read once, so a kernel has nothing to gain from matrix units: it multiplies and adds.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from ....engine.cache import Cache
from ....engine.network import Attended
from ..checkpoint.layout import RMS_NORM_EPS
from .layer_ops import LayerOps, PassInputs

# ruff: noqa: N803 (the arguments of kernels are pointers, numbers and constants of Triton's own types)
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

SPLIT = 256
"""Positions of one split of a row."""

_BLOCK = 64
"""Positions that a program reads at once; `SPLIT` is a multiple."""

_NONE = tl.constexpr(-1e30)
"""Below every score: a split or block without any position attended to."""


@triton.jit
def _add_norm(x, branch, weight, total, normed, width, eps, HAS_BRANCH: tl.constexpr, BLOCK: tl.constexpr):
    """One input: x plus the branch, and its RMS norm. Grid (inputs,)."""
    first = tl.program_id(0).to(tl.int64) * width
    columns = tl.arange(0, BLOCK)
    is_in = columns < width
    kind = x.dtype.element_ty
    wide = tl.load(x + first + columns, mask=is_in, other=0.0).to(tl.float32)
    if HAS_BRANCH:
        wide += tl.load(branch + first + columns, mask=is_in, other=0.0).to(tl.float32)
        wide = wide.to(kind).to(tl.float32)
        tl.store(total + first + columns, wide.to(kind), mask=is_in)
    scale = tl.rsqrt(tl.sum(wide * wide, 0) / width + eps)
    gain = tl.load(weight + columns, mask=is_in, other=0.0).to(tl.float32)
    tl.store(normed + first + columns, ((wide * scale).to(kind).to(tl.float32) * gain).to(kind), mask=is_in)


@triton.jit(do_not_specialize=["first", "time"])
def _place(
    qkv, turn, at, query, cache, first, time, heads, size,
    kind_stride, slot_stride, head_stride, BLOCK: tl.constexpr,
):  # fmt: skip
    """One head of one input: its query turned, its key turned and its value written to the cache.

    Grid (rows * time, heads). BLOCK holds half a head.
    """
    number, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    half = size // 2
    kind = query.dtype.element_ty
    columns = tl.arange(0, BLOCK)
    is_in = columns < half
    cos = tl.load(turn + number * 2 * size + columns, mask=is_in, other=0.0).to(tl.float32)
    sin = tl.load(turn + number * 2 * size + size + half + columns, mask=is_in, other=0.0).to(tl.float32)
    source = qkv + number * 3 * heads * size + head * size + columns
    target = query + (number * heads + head) * size + columns
    left = tl.load(source, mask=is_in, other=0.0).to(tl.float32)
    right = tl.load(source + half, mask=is_in, other=0.0).to(tl.float32)
    tl.store(target, (left * cos - right * sin).to(kind), mask=is_in)
    tl.store(target + half, (right * cos + left * sin).to(kind), mask=is_in)
    position = tl.load(at + number)
    slot = first + number // time
    target = cache + slot * slot_stride + head * head_stride + position * size + columns
    left = tl.load(source + heads * size, mask=is_in, other=0.0).to(tl.float32)
    right = tl.load(source + heads * size + half, mask=is_in, other=0.0).to(tl.float32)
    tl.store(target, (left * cos - right * sin).to(kind), mask=is_in)
    tl.store(target + half, (right * cos + left * sin).to(kind), mask=is_in)
    source += 2 * heads * size
    tl.store(target + kind_stride, tl.load(source, mask=is_in, other=0.0), mask=is_in)
    tl.store(target + kind_stride + half, tl.load(source + half, mask=is_in, other=0.0), mask=is_in)


@triton.jit(do_not_specialize=["behind", "first", "splits"])
def _attend_split(
    query, cache, at, shown, behind, partial, top, weight, first, heads, size, scale, splits,
    kind_stride, slot_stride, head_stride,
    HAS_SHOWN: tl.constexpr, SPLIT: tl.constexpr, BLOCK: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """What one head of one row sees in one split: a weighted sum, the sum of its weights, and the largest score.

    Grid (rows, heads, splits). A split behind the row's own position is neither read nor written.
    """
    row, head, split = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    last = tl.load(at + row)
    begin = split * SPLIT
    if begin <= last:
        seen = last + 1
        if HAS_SHOWN:
            seen = tl.load(shown + row)
        columns = tl.arange(0, SIZE)
        is_size = columns < size
        q = tl.load(query + (row * heads + head) * size + columns, mask=is_size, other=0.0).to(tl.float32) * scale
        keys = cache + (first + row) * slot_stride + head * head_stride
        largest = _NONE
        sum_weights = 0.0
        total = tl.zeros((SIZE,), tl.float32)
        for start in range(0, SPLIT, BLOCK):
            places = begin + start + tl.arange(0, BLOCK)
            is_seen = places <= last
            if HAS_SHOWN:
                is_seen = is_seen & ((places < seen) | (places >= behind))
            offset = places[:, None].to(tl.int64) * size + columns[None, :]
            is_read = is_seen[:, None] & is_size[None, :]
            k = tl.load(keys + offset, mask=is_read, other=0.0).to(tl.float32)
            v = tl.load(keys + kind_stride + offset, mask=is_read, other=0.0).to(tl.float32)
            scores = tl.where(is_seen, tl.sum(k * q[None, :], 1), _NONE)
            higher = tl.maximum(largest, tl.max(scores, 0))
            # Of a block without a position that is seen, all scores are _NONE and must weigh nothing.
            weights = tl.where(is_seen, tl.exp(scores - higher), 0.0)
            kept = tl.exp(largest - higher)
            total = total * kept + tl.sum(weights[:, None] * v, 0)
            sum_weights = sum_weights * kept + tl.sum(weights, 0)
            largest = higher
        number = (row * heads + head) * splits + split
        tl.store(partial + number * size + columns, total, mask=is_size)
        tl.store(top + number, largest)
        tl.store(weight + number, sum_weights)


@triton.jit(do_not_specialize=["splits"])
def _join_splits(
    partial, top, weight, at, out, heads, size, splits, SPLIT: tl.constexpr, MOST: tl.constexpr, SIZE: tl.constexpr
):  # fmt: skip
    """What one head of one row sees in all its splits. Grid (rows, heads).

    MOST is the same for all steps of a cache: the order of the sum depends on it. Rows that take no part in a step may
    stand behind its reach, so there are no more than `splits`.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    columns, numbers = tl.arange(0, SIZE), tl.arange(0, MOST)
    is_size, is_there = columns < size, (numbers <= tl.load(at + row) // SPLIT) & (numbers < splits)
    number = (row * heads + head) * splits + numbers
    tops = tl.load(top + number, mask=is_there, other=_NONE)
    # The first position is always attended to, so one split has a score.
    scales = tl.where(is_there, tl.exp(tops - tl.max(tops, 0)), 0.0)
    is_read = is_there[:, None] & is_size[None, :]
    parts = tl.load(partial + number[:, None] * size + columns[None, :], mask=is_read, other=0.0)
    sum_weights = tl.sum(tl.load(weight + number, mask=is_there, other=0.0) * scales, 0)
    seen = tl.sum(parts * scales[:, None], 0) / sum_weights
    tl.store(out + (row * heads + head) * size + columns, seen.to(out.dtype.element_ty), mask=is_size)


@triton.jit
def _gated(gate_up, out, width, BLOCK: tl.constexpr):
    """SiLU of the gate times the other half. Grid (inputs, blocks of the width)."""
    number = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_in = columns < width
    source = gate_up + number * 2 * width + columns
    kind = out.dtype.element_ty
    gate = tl.load(source, mask=is_in, other=0.0).to(tl.float32)
    up = tl.load(source + width, mask=is_in, other=0.0).to(tl.float32)
    gate = (gate / (1 + tl.exp(-gate))).to(kind).to(tl.float32)
    tl.store(out + number * width + columns, (gate * up).to(kind), mask=is_in)


class TritonOps(LayerOps):
    """`LayerOps` in fused kernels. Inputs of prompts attend by torch's operators, one input of each row by a kernel."""

    def inputs(self, cache: Cache, first: int, attended: Attended, reach: int) -> PassInputs:
        """What the layers of a pass share; a step needs no mask."""
        mask = self._mask(attended, reach) if attended.at.shape[1] > 1 else None
        return self._inputs(cache, first, attended, reach, mask)

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm of x [..., hidden], contiguous."""
        normed = torch.empty_like(x)
        launched(_add_norm, (x.numel() // x.shape[-1],), x, x, weight, x, normed, *_norm_numbers(x, has_branch=False))
        return normed

    def place(self, qkv: Tensor, layer: int, shared: PassInputs) -> Tensor:
        """Turn queries and keys, and write keys and values; see `LayerOps.place`."""
        rows, time, width = qkv.shape
        size = width // (3 * self._heads)
        query = qkv.new_empty(rows, time, self._heads, size)
        slab, at = shared.cache.layer(layer), shared.attended.at
        half = triton.next_power_of_2(size // 2)
        sources = (qkv, shared.turn, at.contiguous(), query, slab, shared.first, time, self._heads, size)
        launched(_place, (rows * time, self._heads), *sources, *_strides(slab), half)
        return query.transpose(1, 2)

    def seen(self, query: Tensor, layer: int, shared: PassInputs) -> Tensor:
        """What the inputs see; see `LayerOps.seen`."""
        if query.shape[2] > 1:
            return super().seen(query, layer, shared)
        rows, heads, _, size = query.shape
        splits = -(-shared.reach // SPLIT)
        partial = torch.empty(rows, heads, splits, size, dtype=torch.float32, device=query.device)
        top, weight = torch.empty(2, rows, heads, splits, dtype=torch.float32, device=query.device)
        seen = query.new_empty(rows, 1, heads * size)
        slab, attended = shared.cache.layer(layer), shared.attended
        at, shown = attended.at, attended.at if attended.shown is None else attended.shown
        block = triton.next_power_of_2(size)
        # [rows, heads, 1, size] lies in memory as [rows, heads, size] already
        sources = (
            query.contiguous(),
            slab,
            at,
            shown,
            attended.behind,
            partial,
            top,
            weight,
            shared.first,
            heads,
            size,
        )
        constants = (attended.shown is not None, SPLIT, _BLOCK, block)
        launched(_attend_split, (rows, heads, splits), *sources, size**-0.5, splits, *_strides(slab), *constants)
        most = triton.next_power_of_2(-(-shared.cache.positions // SPLIT))
        launched(_join_splits, (rows, heads), partial, top, weight, at, seen, heads, size, splits, SPLIT, most, block)
        return seen

    def joined(self, x: Tensor, branch: Tensor, weight: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
        """X plus a branch's last product, and the norm of this sum; see `LayerOps.joined`."""
        product, total, normed = F.linear(branch, weight), torch.empty_like(x), torch.empty_like(x)
        count = x.numel() // x.shape[-1]
        launched(_add_norm, (count,), x, product, norm, total, normed, *_norm_numbers(x, has_branch=True))
        return total, normed

    def gated(self, gate_up: Tensor) -> Tensor:
        """The first half through SiLU, times the other half: [..., ffn] of [..., 2 * ffn]."""
        width, block = gate_up.shape[-1] // 2, 1024
        out = gate_up.new_empty(*gate_up.shape[:-1], width)
        launched(_gated, (out.numel() // width, -(-width // block)), gate_up, out, width, block)
        return out


def launched(kernel: Any, grid: tuple[int, ...], *arguments: object) -> None:
    """Launch a kernel over a grid of programs."""
    kernel[grid](*arguments)


def _norm_numbers(x: Tensor, *, has_branch: bool) -> tuple[int, float, bool, int]:
    return x.shape[-1], RMS_NORM_EPS, has_branch, int(triton.next_power_of_2(x.shape[-1]))


def _strides(slab: Tensor) -> tuple[int, int, int]:
    """Of keys against values, of slots and of heads, in a layer [2, slots, heads, positions, head size]."""
    return slab.stride(0), slab.stride(1), slab.stride(2)
