"""A tiny network whose rows have a region, with random weights: what grows while it is drawn is tested with it."""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.engine.cache import Cache
from speechmill.actors.engine.network import attended
from speechmill.actors.engine.region import Region
from speechmill.actors.engine.request import Request, Sampling

CPU = torch.device("cpu")
VOCABULARY, END, BOOKS, HIDDEN, SIZE = 12, 11, 2, 16, 8
FIRST, MORE, EVERY, MOST = 4, 3, 6, 40
"""Prompt positions that the first step needs, and how many more are due after how many steps; size of the region."""
MAX_STEPS = 90
POSITIONS = MOST + 3 + MAX_STEPS


def needs(at: int) -> int:
    """Prompt positions that input `at` attends to."""
    return min(MOST, FIRST + MORE * ((at + 1) // EVERY))


class GrowingNetwork:
    """Two layers of attention; positions are added to the inputs."""

    num_codebooks, vocabulary, end, hidden, dtype = BOOKS, VOCABULARY, END, HIDDEN, torch.float32
    position_bytes = Cache.bytes_per_position(layers=2, heads=2, head_size=SIZE, dtype=torch.float32)

    def __init__(self, num_hidden: int = 1) -> None:
        self.region = Region(MOST, needs, num_hidden)
        self.calls: list[tuple[int, int]] = []
        """Rows and inputs of each call."""
        chance = torch.Generator().manual_seed(5)
        self.codes = torch.randn(BOOKS, VOCABULARY, HIDDEN, generator=chance)
        self.qkv = torch.randn(2, HIDDEN, 3 * HIDDEN, generator=chance) * HIDDEN**-0.5
        self.heads = torch.randn(HIDDEN, BOOKS * VOCABULARY, generator=chance) * 0.7
        self.places = torch.randn(POSITIONS, HIDDEN, generator=chance)

    def cache(self, slots: int, positions: int) -> Cache:
        """Keys and values of this many rows."""
        return Cache(2, slots, 2, positions, SIZE, torch.float32, CPU)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes int64 [rows, codebooks] as input."""
        return self.codes[0][codes[:, 0]] + self.codes[1][codes[:, 1]]

    def hiddens(
        self, x: Tensor, cache: Cache, first: int, starts: Tensor, reach: int, seen: Tensor | None = None
    ) -> Tensor:
        """Hidden states; see `RegionNetwork`."""
        rows, time, _ = x.shape
        self.calls.append((rows, time))
        at = (starts[:, None] + torch.arange(time)).clamp(max=cache.positions - 1)
        is_seen = attended(at, reach, self.region, seen)[:, None]
        x = x + self.places[at]
        for layer in range(2):
            qkv = (x @ self.qkv[layer]).view(rows, time, 3, 2, SIZE).permute(2, 0, 3, 1, 4)
            query, key, value = qkv
            cache.put(layer, first, at, key, value)
            keys, values = cache.view(layer, first, rows, reach)
            heard = F.scaled_dot_product_attention(query, keys, values, attn_mask=is_seen)
            x = torch.tanh(x + heard.transpose(1, 2).reshape(rows, time, HIDDEN))
        return x

    def logits(self, hidden: Tensor) -> Tensor:
        """Float [rows, codebooks, vocabulary]."""
        return (hidden @ self.heads).view(len(hidden), BOOKS, VOCABULARY)


def growing_request(key: int, *, steps: int | None = None) -> Request:
    """A row whose whole prompt is there; rows differ in all that they may differ in."""
    chance = random.Random(key)
    generator = torch.Generator().manual_seed(key)
    sampling = Sampling(
        temperature=(chance.choice([0.5, 1.0]), 0.8),
        top_p=chance.choice([0.7, 0.9]),
        top_k=chance.choice([3, 8]),
        penalty=chance.choice([1.0, 1.05]),
        max_steps=steps or chance.randint(20, MAX_STEPS),
        end_period=6,
        end_from=4,
        free_steps=1,
    )
    prompt = torch.randn(chance.randint(1, MOST), HIDDEN, generator=generator)
    opening = torch.randn(chance.choice([1, 1, 3]), HIDDEN, generator=generator)
    return Request(key, prompt, seed=1_000 + key, sampling=sampling, opening=opening)
