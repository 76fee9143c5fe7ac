"""Codes of audio: grouped, residual, finite scalar quantisation (https://arxiv.org/abs/2309.15505).

A code is a number of `fsq_digits` digits to the base `fsq_levels`, the lowest first; digit d stands for the value
(d - 2) / 2 of one channel, from -1 to 1. The second residual of a group counts a quarter: it refines the first.
Guarantees that the value of a code is exact and that its digits give the code back. Knows no audio and no padding.

The quarter is part of what the weights mean: `vector_quantize_pytorch` 1.26.0 and later take a fifth, with which
these weights decode to something else.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from ..checkpoint.layout import Sizes
from .layers import Linear, StateDict

_MARGIN = 1e-3  # the bound lies this much outside the outermost digits, so that rounding reaches them


class ResidualStart(Enum):
    """What the residuals of a group are taken of, by the release of `vector_quantize_pytorch`.

    BOUNDED up to 1.17.3, in use when the weights were trained: the projection after the bound of the digits RAW 1.18.5
    to 1.25.2: the projection itself
    """

    BOUNDED = "bounded"
    RAW = "raw"


class Codebook:
    """Between values of a group, float32 [..., digits], and its codes, int64 [..., residuals]."""

    def __init__(self, sizes: Sizes, device: torch.device) -> None:
        """The quantiser of these sizes.

        Raises:
            ValueError: The number of levels is even, so that no digit stands for 0
        """
        levels, digits = sizes.fsq_levels, sizes.fsq_digits
        if levels % 2 == 0:
            raise ValueError(f"fsq_levels is {levels}; allowed: odd numbers")
        self._half = levels // 2
        self._bound = (levels - 1) * (1 + _MARGIN) / 2
        self._basis = torch.tensor([levels**digit for digit in range(digits)], device=device)
        self._scales = [float(levels - 1) ** -residual for residual in range(sizes.vq_residuals)]
        codes = torch.arange(levels**digits, device=device)[:, None]
        self._table = (codes // self._basis % levels - self._half).float() / self._half  # [codes, digits]

    @property
    def num_codes(self) -> int:
        """Codes are below this."""
        return len(self._table)

    def codes(self, z: Tensor, start: ResidualStart) -> Tensor:
        """The codes of z, of any finite values."""
        rest = self._bounded(z) if start is ResidualStart.BOUNDED else z
        codes: list[Tensor] = []
        for scale in self._scales:
            levels = self._bounded(rest / scale).round()
            codes.append(((levels.long() + self._half) * self._basis).sum(-1))
            rest = rest - levels / self._half * scale
        return torch.stack(codes, -1)

    def values(self, codes: Tensor) -> Tensor:
        """The values of codes; those of the residuals added up."""
        parts = [self._table[code] * scale for code, scale in zip(codes.unbind(-1), self._scales, strict=True)]
        return torch.stack(parts).sum(0)

    def _bounded(self, z: Tensor) -> Tensor:
        return z.tanh() * self._bound


class Quantiser:
    """Channels [batch, steps, dvae_dim] to and from codes int64 [batch, steps, num_vq].

    A group is a run of channels, projected to one channel per digit; code `vq` is residual `vq % vq_residuals` of
    group `vq // vq_residuals`.
    """

    def __init__(self, sizes: Sizes, state: StateDict, name: str, start: ResidualStart) -> None:
        groups = [f"{name}.{group}" for group in range(sizes.vq_groups)]
        self._into = [Linear(state, f"{group}.project_in") for group in groups]
        self._out_of = [Linear(state, f"{group}.project_out") for group in groups]
        weight = state[f"{groups[0]}.project_out.weight"]
        self._codebook = Codebook(sizes, weight.device)
        self._dtype, self._start, self._residuals = weight.dtype, start, sizes.vq_residuals

    @property
    def num_codes(self) -> int:
        """Codes are below this; the end-of-speech code is not one of them."""
        return self._codebook.num_codes

    def encode(self, x: Tensor) -> Tensor:
        """The codes of x."""
        groups = zip(self._into, x.chunk(len(self._into), -1), strict=True)
        # In float32 whatever the weights are in: codes are decided by rounding.
        return torch.cat([self._codebook.codes(into(part).float(), self._start) for into, part in groups], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """The channels of codes, each of which is from 0 to below `num_codes`."""
        groups = zip(self._out_of, codes.split(self._residuals, -1), strict=True)
        return torch.cat([out_of(self._codebook.values(part).to(self._dtype)) for out_of, part in groups], -1)
