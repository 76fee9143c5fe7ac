"""x times a weight matrix: torch's own, or oneDNN's where that is faster.

On a CPU in float32, oneDNN takes from a third to three quarters of the time of torch's default for the few rows of a
step (measured on AMD EPYC, 1 to 64 rows of the published sizes), but for 16, which take it longer. It is the operator
that torch.compile uses.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """[..., out] of x [..., in] and weight [out, in]."""
    if _is_for_onednn(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


def linear_added(x: Tensor, weight: Tensor, other: Tensor) -> Tensor:
    """`linear` plus `other` [..., out], to the same bits as if it were added afterwards."""
    if _is_for_onednn(x, weight):
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, None, "add")
    return other + F.linear(x, weight)


def _is_for_onednn(x: Tensor, weight: Tensor) -> bool:
    is_wide = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    # The compiler chooses for itself.
    return _HAS_ONEDNN and is_wide and not torch.compiler.is_compiling() and x.numel() != 16 * x.shape[-1]
