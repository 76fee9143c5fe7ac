"""The backbone with its layers compiled, before the first row: one graph for all layers, whatever comes.

Guarantees that nothing is compiled after `__init__`. What differs from step to step (slots, lengths, how far attention
looks, where a row lies) stays outside of what is compiled; inside, only the number of inputs varies, and one and
several are prepared. On disk it is kept by `engine.kernels`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from .....errors import ModelError
from ....engine.cache import Cache
from ....engine.kernels import kept_kernels
from ....engine.network import Attended
from .backbone import Backbone, StateDict
from .layer_ops import rms_norm, turned
from .linear import linear

if TYPE_CHECKING:
    from ..checkpoint.layout import Sizes

logger = logging.getLogger(__name__)


class CompiledBackbone(Backbone):
    """`Backbone`, to float rounding.

    Raises:
        ModelError: Where torch cannot compile
    """

    def __init__(self, sizes: Sizes, gpt: StateDict, embed: StateDict, *, is_exact: bool = False) -> None:
        super().__init__(sizes, gpt, embed, is_exact=is_exact)
        began = time.perf_counter()
        with kept_kernels(self.device, {"sizes": asdict(sizes), "dtype": str(self.dtype)}):
            self._enter, self._leave = torch.compile(_enter), torch.compile(_leave)
            try:
                self._prepare()
            except RuntimeError as error:
                raise ModelError(
                    f"model.options.compile: torch cannot compile on this machine: {' '.join(str(error).split()):.300} "
                    "… Start again if it could before, see that there is a C++ compiler, or leave compile out"
                ) from error
        logger.info("layers compiled, or found again, in %.1f s", time.perf_counter() - began)

    def states(self, x: Tensor, cache: Cache, first: int, attended: Attended, reach: int) -> Tensor:
        """Hidden states, after the last norm; see `Backbone.states`."""
        rows, length, hidden = x.shape
        heads, size = self.sizes.num_heads, self.sizes.head_dim
        shared = self._ops.inputs(cache, first, attended, reach)
        turn = shared.turn.view(-1, 2, size)
        x = _flat(x, hidden)
        for number, layer in enumerate(self._layers):
            query, pairs = self._enter(x, layer.norm, layer.qkv, turn, heads)
            cache.put_pairs(number, shared.rows, attended.at, pairs.view(rows, length, 2, heads, size))
            seen = self._ops.seen(query.view(rows, length, heads, size).transpose(1, 2), number, shared)
            x = self._leave(x, _flat(seen, hidden), layer.out, layer.mlp_norm, layer.gate_up, layer.down)
        return rms_norm(x, self._norm).view(rows, length, hidden)

    @torch.inference_mode()
    def _prepare(self) -> None:
        """One input, and several: the compiler takes 1 for a number of its own."""
        # Not before the folder is named: the compiler looks where it is when it is imported.
        from torch._dynamo.decorators import mark_dynamic

        layer, heads = self._layers[0], self.sizes.num_heads
        for count in (1, 2):
            x, seen = (torch.zeros(count, self.hidden, dtype=self.dtype, device=self.device) for _ in range(2))
            at = torch.zeros(count, dtype=torch.long, device=self.device)
            turn = self._rotation[at]
            if count > 1:
                for varying in (x, seen, turn):
                    mark_dynamic(varying, 0)
            self._enter(x, layer.norm, layer.qkv, turn, heads)
            self._leave(x, seen, layer.out, layer.mlp_norm, layer.gate_up, layer.down)


def _flat(x: Tensor, hidden: int) -> Tensor:
    """[inputs, hidden], with the same strides however x came about: the compiler looks at them."""
    return x.reshape(-1).view(-1, hidden)


def _enter(x: Tensor, norm: Tensor, qkv: Tensor, turn: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """What attention takes of x [inputs, hidden]: queries [inputs, heads, head size], and keys and values as a pair."""
    query, key, value = _product(rms_norm(x, norm), qkv).view(len(x), 3, heads, -1).unbind(1)
    return turned(query, turn), torch.stack((turned(key, turn), value), 1)


def _leave(x: Tensor, seen: Tensor, out: Tensor, norm: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """The layer's result of x and what its attention has seen, all [inputs, hidden]."""
    x = x + _product(seen, out)
    gate, up = _product(rms_norm(x, norm), gate_up).chunk(2, -1)
    return x + _product(F.silu(gate) * up, down)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """Inputs times the weight, [inputs, out]; on a CPU not the compiler's own, which takes up to twice the time."""
    return cast("Tensor", _linear(x, weight)) if x.device.type == "cpu" else F.linear(x, weight)


@torch.library.custom_op("speechmill::linear", mutates_args=(), schema="(Tensor x, Tensor weight) -> Tensor")
def _linear(x: Tensor, weight: Tensor) -> Tensor:
    return linear(x, weight)


@_linear.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight))
