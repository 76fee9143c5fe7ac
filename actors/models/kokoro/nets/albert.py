"""The encoder of phonemes: ALBERT (https://arxiv.org/abs/1909.11942), one layer's weights applied again and again.

Guarantees that a row's encoding does not depend on padding: keys past its end are masked. The tree of modules is that
of the published names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .sizes import MAX_TOKENS, VOCABULARY, Sizes
from .span import Span

EMBEDDING = 128
_EPS = 1e-12


class Embeddings(nn.Module):
    """Phoneme, position and (one) kind of text, summed."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, EMBEDDING)
        self.position_embeddings = nn.Embedding(MAX_TOKENS, EMBEDDING)
        self.token_type_embeddings = nn.Embedding(2, EMBEDDING)
        self.LayerNorm = nn.LayerNorm(EMBEDDING, _EPS)

    def forward(self, ids: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + places + self.token_type_embeddings.weight[0])


class SelfAttention(nn.Module):
    """Attention, added to its input and normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.dense = nn.Linear(width, width), nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, _EPS)
        self._heads = heads

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        batch, tokens, width = x.shape
        # [batch, heads, tokens, width / heads]
        query, key, value = (
            layer(x).view(batch, tokens, self._heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=keys)
        return self.LayerNorm(x + self.dense(attended.transpose(1, 2).reshape(batch, tokens, width)))


class AlbertLayer(nn.Module):
    """The layer that is applied every time."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = SelfAttention(sizes.bert, sizes.bert_heads)
        self.ffn = nn.Linear(sizes.bert, sizes.bert_inner)
        self.ffn_output = nn.Linear(sizes.bert_inner, sizes.bert)
        self.full_layer_layer_norm = nn.LayerNorm(sizes.bert, _EPS)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        x = self.attention(x, keys)
        return self.full_layer_layer_norm(x + self.ffn_output(F.gelu(self.ffn(x), approximate="tanh")))


class Albert(nn.Module):
    """Phoneme ids to [batch, tokens, sizes.bert]."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        group = nn.ModuleDict({"albert_layers": nn.ModuleList([AlbertLayer(sizes)])})
        self.encoder = nn.ModuleDict(
            {
                "embedding_hidden_mapping_in": nn.Linear(EMBEDDING, sizes.bert),
                "albert_layer_groups": nn.ModuleList([group]),
            }
        )
        self._layers = sizes.bert_layers

    def forward(self, ids: Tensor, span: Span) -> Tensor:
        keys = None if span.mask is None else span.mask[:, :, None].to(torch.bool)
        x = self.encoder["embedding_hidden_mapping_in"](self.embeddings(ids))
        (layer,) = self.encoder["albert_layer_groups"][0]["albert_layers"]  # pyright: ignore[reportIndexIssue]
        for _ in range(self._layers):
            x = layer(x, keys)
        return x
