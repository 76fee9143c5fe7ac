"""The autoregressive half of ChatTTS: a Llama of 20 layers over text and audio codes, as the engine's network.

Our own compact implementation and not `transformers`' blocks: the keys and values lie in the engine's slab, where rows
come and go at any step, and a step reads views of it; a library's cache would be copied into that shape at each step.
Guarantees that a row's hidden states come from its own positions; weight norm of the heads is folded once at load.
Layers are those of Llama (Touvron et al., 2023): RMS norm, rotary positions by halves, SwiGLU; none has a bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....engine.cache import Cache
from ....engine.network import Attended
from ..checkpoint.layout import EOS_CODE, Sizes
from .layer_ops import layer_ops, rotation
from .linear import linear

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Weights of one layer; query, key and value as one matrix, gate and up as one."""

    norm: Tensor
    qkv: Tensor
    out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


class Backbone:
    """The layers and the embeddings; what is drawn from them is a head's business."""

    def __init__(self, sizes: Sizes, gpt: StateDict, embed: StateDict, *, is_exact: bool = False) -> None:
        """From the state dicts of the two files, on their device and in their dtype.

        Args:
            is_exact: What a row comes to does not depend on its place among others either, to the last bit
        """
        self.sizes = sizes
        self.hidden = sizes.hidden
        self._layers = [_layer(gpt, f"layers.{number}.") for number in range(sizes.num_layers)]
        self._norm = gpt["norm.weight"]
        self._next_norms = [*(layer.norm for layer in self._layers[1:]), self._norm]
        self._text = embed["emb_text.weight"]
        self._codes = [embed[f"emb_code.{book}.weight"] for book in range(sizes.num_vq)]
        self.dtype, self.device = self._norm.dtype, self._norm.device
        self._rotation = rotation(sizes.head_dim, sizes.max_positions, self.dtype, self.device)
        self._ops = layer_ops(self._rotation, sizes.num_heads, is_exact=is_exact)

    def cache(self, slots: int, positions: int) -> Cache:
        """Room for the keys and values of this many rows."""
        s = self.sizes
        return Cache(s.num_layers, slots, s.num_heads, positions, s.head_dim, self.dtype, self.device)

    @property
    def position_bytes(self) -> int:
        """What the cache takes for one position of one row."""
        return Cache.bytes_per_position(self.sizes.num_layers, self.sizes.num_heads, self.sizes.head_dim, self.dtype)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Float [time, hidden] of token ids int64 [time]."""
        return F.embedding(ids, self._text)

    def embed_codes(self, codes: Tensor) -> Tensor:
        """Float [rows, hidden] of codes int64 [rows, codebooks]: the sum over the codebooks."""
        total = F.embedding(codes[:, 0], self._codes[0])
        for book in range(1, len(self._codes)):
            total = total + F.embedding(codes[:, book], self._codes[book])
        return total

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states, after the last norm; see `engine.network.Network`."""
        return self.states(x, cache, first, Attended(places(starts, x.shape[1], cache)), reach)

    def states(self, x: Tensor, cache: Cache, first: int, attended: Attended, reach: int) -> Tensor:
        """Hidden states, after the last norm, of inputs `x` [rows, time, hidden] that attend to any positions."""
        ops = self._ops
        shared = ops.inputs(cache, first, attended, reach)
        y = ops.norm(x, self._layers[0].norm)
        for number, (layer, next_norm) in enumerate(zip(self._layers, self._next_norms, strict=True)):
            query = ops.place(linear(y, layer.qkv), number, shared)
            x, y = ops.joined(x, ops.seen(query, number, shared), layer.out, layer.mlp_norm)
            x, y = ops.joined(x, ops.gated(linear(y, layer.gate_up)), layer.down, next_norm)
        return y


def places(starts: Tensor, time: int, cache: Cache) -> Tensor:
    """Positions int64 [rows, time] of inputs that begin at `starts` [rows]."""
    at = starts[:, None]
    if time > 1:
        at = at + torch.arange(time, device=starts.device)
    # Padding behind a short prompt may point beyond the slot; its own place is written again before it is read.
    return at.clamp(max=cache.positions - 1)


class CodeNetwork:
    """The backbone that draws audio codes: four codebooks at each step."""

    def __init__(self, backbone: Backbone, embed: StateDict) -> None:
        sizes = backbone.sizes
        self._backbone = backbone
        # In float32 whatever the rest is in: in less, likely codes would be equally likely.
        self._head = torch.cat([_folded(embed, f"head_code.{book}") for book in range(sizes.num_vq)])
        self.num_codebooks, self.vocabulary, self.end = sizes.num_vq, sizes.audio_vocab, EOS_CODE
        self.hidden, self.dtype, self.position_bytes = backbone.hidden, backbone.dtype, backbone.position_bytes
        self.cache, self.embed = backbone.cache, backbone.embed_codes

    def hiddens(self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int) -> Tensor:
        """Hidden states, after the last norm; see `engine.network.Network`."""
        return self._backbone.hiddens(x, cache, first, starts, reach)

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary]."""
        return linear(hidden.float(), self._head).view(len(hidden), self.num_codebooks, self.vocabulary)


class TextNetwork:
    """The backbone that draws text, one token at each step: what refining uses."""

    def __init__(self, backbone: Backbone, embed: StateDict, end: int) -> None:
        self._backbone = backbone
        self._head = _folded(embed, "head_text")
        self.num_codebooks, self.vocabulary, self.end = 1, backbone.sizes.text_vocab, end
        self.hidden, self.dtype, self.position_bytes = backbone.hidden, backbone.dtype, backbone.position_bytes
        self.cache, self.hiddens = backbone.cache, backbone.hiddens

    def embed(self, codes: Tensor) -> Tensor:
        """Float [rows, hidden] of token ids int64 [rows, 1]."""
        return self._backbone.embed_text(codes[:, 0])

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, 1, vocabulary]."""
        return linear(hidden.float(), self._head)[:, None]


def _layer(gpt: StateDict, name: str) -> _Layer:
    def weight(part: str) -> Tensor:
        return gpt[f"{name}{part}.weight"]

    return _Layer(
        norm=weight("input_layernorm"),
        qkv=torch.cat([weight(f"self_attn.{part}_proj") for part in "qkv"]),
        out=weight("self_attn.o_proj"),
        mlp_norm=weight("post_attention_layernorm"),
        gate_up=torch.cat([weight("mlp.gate_proj"), weight("mlp.up_proj")]),
        down=weight("mlp.down_proj"),
    )


def _folded(embed: StateDict, name: str) -> Tensor:
    """A weight-normed matrix, float32: magnitude times direction, in each row."""
    magnitude, direction = (embed[f"{name}.parametrizations.weight.original{part}"] for part in (0, 1))
    wide = direction.float()
    return magnitude.float() * wide / wide.norm(dim=1, keepdim=True)
