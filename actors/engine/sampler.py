"""Drawing codes: every row with its own temperature, limits, penalty and noise, all rows at once.

Guarantees that a row's codes depend on its own logits, settings, history and noise: every operation is along a row.
The order of the steps is that of ChatTTS: temperature, repetition penalty, top-P, top-K, the end forbidden before
`min_steps`, softmax, draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .noise import uniform
from .request import Sampling

HISTORY = 16
"""Steps whose codes are penalised."""

KEPT = 3
"""Codes that top-P and top-K leave at least, as ChatTTS does: with 1, a row could never leave a loop."""


class Sampler:
    """Settings and histories of the rows in an engine's slots.

    num_codebooks, vocabulary, end   codes drawn at each step, how many there are of each, and which of them is the end
    """

    def __init__(self, slots: int, num_codebooks: int, vocabulary: int, end: int, device: torch.device) -> None:
        self.end = end
        self._books, self._vocabulary = num_codebooks, vocabulary
        self._temperature = torch.ones(slots, num_codebooks, device=device)
        self._top_p = torch.ones(slots, device=device)
        self._top_k = torch.full((slots,), vocabulary, device=device)
        self._penalty = torch.ones(slots, device=device)
        self._min_steps = torch.zeros(slots, dtype=torch.long, device=device)
        self._seeds = torch.zeros(slots, dtype=torch.long, device=device)
        self._steps = torch.zeros(slots, dtype=torch.long, device=device)
        # A code beyond the vocabulary stands for "not yet": it has a column of its own, which is thrown away.
        self._history = torch.full((slots, HISTORY, num_codebooks), vocabulary, device=device)

    def put(self, slot: int, seed: int, sampling: Sampling) -> None:
        """A new row in a slot."""
        temperature: Sequence[float] = sampling.temperature
        self._temperature[slot] = torch.tensor(temperature, device=self._temperature.device)
        self._top_p[slot], self._penalty[slot] = sampling.top_p, sampling.penalty
        self._top_k[slot] = max(KEPT, min(sampling.top_k, self._vocabulary))
        self._min_steps[slot], self._seeds[slot], self._steps[slot] = sampling.min_steps, seed, 0
        self._history[slot] = self._vocabulary

    def move(self, source: int, target: int) -> None:
        """The row of one slot into another."""
        for state in (self._temperature, self._top_p, self._top_k, self._penalty, self._min_steps, self._seeds):
            state[target] = state[source]
        self._steps[target], self._history[target] = self._steps[source], self._history[source]

    def draw(self, logits: Tensor, rows: int) -> Tensor:
        """Codes int64 [rows, codebooks] of the first slots, from logits [rows or more, codebooks, vocabulary]."""
        scores = logits[:rows].float() / self._temperature[:rows, :, None]
        scores = self._penalised(scores, rows)
        scores = self._limited(scores, rows)
        is_early = self._steps[:rows] < self._min_steps[:rows]
        scores[:, :, self.end] = scores[:, :, self.end].masked_fill(is_early[:, None], -torch.inf)
        noise = uniform(self._seeds[:rows], self._steps[:rows], self._books)
        codes = _inverse(scores.softmax(2), noise)
        self._history[:rows] = torch.cat((self._history[:rows, 1:], codes[:, None]), 1)
        self._steps[:rows] += 1
        return codes

    def _penalised(self, scores: Tensor, rows: int) -> Tensor:
        """Scores of codes drawn in the last steps, made less by the penalty to the power of how often they were."""
        counts = scores.new_zeros(rows, self._books, self._vocabulary + 1)
        drawn = self._history[:rows].transpose(1, 2)  # [rows, codebooks, 16]
        counts.scatter_add_(2, drawn, torch.ones_like(drawn, dtype=counts.dtype))
        factor = self._penalty[:rows, None, None] ** counts[:, :, :-1]
        return torch.where(scores < 0, scores * factor, scores / factor)

    def _limited(self, scores: Tensor, rows: int) -> Tensor:
        """Scores outside of top-P or top-K are minus infinity; equals of the last one in top-K stay."""
        ordered, order = scores.sort(2, descending=True)
        probability = ordered.softmax(2)
        # What lies below a code, itself included, has to be more than 1 - p.
        below = probability.flip(2).cumsum(2).flip(2)
        is_out = below <= 1 - self._top_p[:rows, None, None]
        is_out[:, :, :KEPT] = False
        limited = scores.masked_fill(torch.zeros_like(is_out).scatter(2, order, is_out), -torch.inf)
        nth = (self._top_k[:rows, None, None] - 1).expand(rows, self._books, 1)
        last = ordered.masked_fill(is_out, -torch.inf).gather(2, nth)
        return limited.masked_fill(limited < last, -torch.inf)


def _inverse(probability: Tensor, noise: Tensor) -> Tensor:
    """Draw from each row of probabilities [..., vocabulary] by its uniform number [...]: the inverse distribution."""
    cumulated = probability.cumsum(-1)
    # Scaled by the sum as it was rounded, so that the last code with any probability is the last that can be drawn.
    point = (noise * cumulated[..., -1])[..., None]
    return torch.searchsorted(cumulated, point, right=True)[..., 0].clamp(max=probability.shape[-1] - 1)
