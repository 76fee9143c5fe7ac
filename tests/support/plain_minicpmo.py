"""MiniCPM-o's speech as a reader of its description would write it: one row, one step after the other, no engine.

Every step computes the attention of its one input over the whole sequence from plain lists of keys and values; the text
is computed at once, causally. Numbers are drawn by the package's own noise, so that codes can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from speechmill.actors.models.noise import uniform

RESERVED, TEXT_CHUNK, AUDIO_CHUNK, START = 300, 10, 50, 302
END, BOOKS = 625, 4


@dataclass
class PlainRow:
    """The keys and values of each layer, [positions, heads, size], and where each stands."""

    keys: list[list[Tensor]]
    values: list[list[Tensor]]
    places: list[int] = field(default_factory=list[int])


class PlainMinicpmo:
    """All tensors of a folder, whatever their shards."""

    def __init__(self, folder: Path, layers: int, heads: int) -> None:
        self.state: dict[str, Tensor] = {}
        for shard in sorted(folder.glob("*.safetensors")):
            self.state |= load_file(shard)
        self.layers, self.heads = layers, heads

    def speaker(self, vector: Tensor) -> Tensor:
        """The unit vector that is put at the place of the speaker."""
        if len(vector) == self.state["tts.projector.linear1.weight"].shape[1]:
            for number in (1, 2):
                name = f"tts.projector.linear{number}"
                vector = self.state[f"{name}.weight"] @ vector + self.state[f"{name}.bias"]
                vector = vector.clamp(min=0) if number == 1 else vector
        return vector / vector.square().sum().sqrt()

    def codes(
        self,
        speaker: Tensor,
        tokens: Sequence[int],
        ids: dict[str, int],
        seed: int,
        max_steps: int,
        carried: Tensor | None = None,
        temperature: Sequence[float] = (0.1, 0.3, 0.1, 0.3),
        top_p: float = 0.7,
        top_k: int = 20,
    ) -> tuple[Tensor, bool]:
        """Codes int64 [steps, 4] of a window, and whether it drew its end.

        Args:
            ids: The special tokens
            carried: Codes int64 [steps, 4] that the window continues
        """
        text = self.state["tts.emb_text.weight"]
        row = PlainRow([[] for _ in range(self.layers)], [[] for _ in range(self.layers)])
        head = [text[ids["[Stts]"]], speaker, *(text[token] for token in tokens), text[ids["[Etts]"]]]
        for place, x in enumerate(head):
            self._input(row, x, place, lambda other: other >= 0)
        num_text = len(head)
        past = [self._embedded(codes) for codes in carried] if carried is not None else []
        inputs = [text[ids["[Ptts]"]], *past]
        drawn: list[Tensor] = []
        for number in range(len(inputs) + max_steps):
            place = START + number
            # What is carried over, but its last step, looks at the text of the first step.
            asked = START if number < len(inputs) - 1 else place
            end = min(math.ceil((asked - RESERVED) / AUDIO_CHUNK) * TEXT_CHUNK, RESERVED) + 2
            x = inputs[number] if number < len(inputs) else self._embedded(drawn[-1])
            limit = min(end, num_text)
            hidden = self._input(row, x, place, lambda other, limit=limit: (other < limit) | (other > START))
            if number < len(inputs) - 1:
                continue
            step = len(drawn)
            drawn.append(self._drawn(hidden, seed, step, carried is not None, temperature, top_p, top_k))
            if (drawn[-1] == END).any():
                return torch.stack(drawn[:-1]) if drawn[:-1] else torch.empty(0, BOOKS, dtype=torch.long), True
            if len(drawn) == max_steps:
                break
        return torch.stack(drawn), False

    def _embedded(self, codes: Tensor) -> Tensor:
        return torch.stack([self.state[f"tts.emb_code.{book}.weight"][codes[book]] for book in range(BOOKS)]).sum(0)

    def _drawn(
        self,
        hidden: Tensor,
        seed: int,
        step: int,
        is_carried: bool,
        temperature: Sequence[float],
        top_p: float,
        top_k: int,
    ) -> Tensor:
        noise = uniform(torch.tensor([seed]), torch.tensor([step]), BOOKS)[0]
        codes: list[Tensor] = []
        for book in range(BOOKS):
            name = f"tts.head_code.{book}.parametrizations.weight.original"
            size, direction = self.state[f"{name}0"], self.state[f"{name}1"]
            weight = size * direction / direction.square().sum(1, keepdim=True).sqrt()
            logits = (weight @ hidden).float() / temperature[book]
            order = logits.argsort(descending=True)
            ordered = logits[order]
            if step or is_carried:
                shares = ordered.softmax(0)
                above = shares.cumsum(0) - shares
                is_out = (above >= top_p) | (torch.arange(len(order)) >= top_k)
                is_out[:3] = False
                ordered = ordered.masked_fill(is_out, -math.inf)
            if step % 25 < 10:
                ordered = ordered.masked_fill(order == END, -math.inf)
            shares = (ordered - ordered.max()).exp().cumsum(0)
            codes.append(order[int(torch.searchsorted(shares, noise[book] * shares[-1], right=True))])
        return torch.stack(codes)

    def _input(self, row: PlainRow, x: Tensor, place: int, is_seen: Callable[[Tensor], Tensor]) -> Tensor:
        """The hidden state of one input, whose keys and values are kept; it looks at places that `is_seen` tells."""
        row.places.append(place)
        shown = is_seen(torch.tensor(row.places))
        for layer in range(self.layers):
            name = f"tts.model.layers.{layer}"
            normed = self._normed(x, f"{name}.input_layernorm.weight")
            query, key, value = (
                (self.state[f"{name}.self_attn.{part}_proj.weight"] @ normed).view(self.heads, -1) for part in "qkv"
            )
            row.keys[layer].append(_turned(key, place))
            row.values[layer].append(value)
            keys, values = torch.stack(row.keys[layer])[shown], torch.stack(row.values[layer])[shown]
            scores = torch.einsum("hs,phs->hp", _turned(query, place), keys) / math.sqrt(keys.shape[-1])
            heard = torch.einsum("hp,phs->hs", scores.softmax(1), values).reshape(-1)
            x = x + self.state[f"{name}.self_attn.o_proj.weight"] @ heard
            normed = self._normed(x, f"{name}.post_attention_layernorm.weight")
            gate, up = (self.state[f"{name}.mlp.{part}_proj.weight"] @ normed for part in ("gate", "up"))
            x = x + self.state[f"{name}.mlp.down_proj.weight"] @ (F.silu(gate) * up)
        return self._normed(x, "tts.model.norm.weight")

    def _normed(self, x: Tensor, name: str) -> Tensor:
        return self.state[name] * x / (x.square().mean() + 1e-6).sqrt()


def _turned(x: Tensor, place: int) -> Tensor:
    """Rotary position: pairs of channels half a head apart, turned by the place over powers of 10,000."""
    half = x.shape[-1] // 2
    angles = torch.tensor([place * 10_000 ** (-pair / half) for pair in range(half)])
    first, second = x[..., :half], x[..., half:]
    return torch.cat((first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1)
