"""Draws codes for all rows at once, each with its own temperature, limits, penalty and noise.

Guaranteed: a row's codes depend only on its own logits, settings, history and noise, because every operation is along a
row. The order of the steps is that of ChatTTS: temperature, repetition penalty, top-P, top-K, the end forbidden where
it may not come yet, softmax, draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.noise import uniform
from .request import Sampling

HISTORY = 16
"""Steps whose codes are penalised."""

KEPT = 3
"""The least number of codes that top-P and top-K leave, as in ChatTTS: with 1, a row could never leave a loop."""


class Sampler:
    """Settings and histories of the rows in an engine's slots.

    Args:
        num_codebooks: Codes drawn at each step
        vocabulary: Number of different codes in a codebook
        end: The code that ends a row
        is_fixed: Sort all codes, not only as many as the rows' top-K

    Attributes:
        steps: int64 [slots]: the steps that each row has drawn
    """

    def __init__(
        self, slots: int, num_codebooks: int, vocabulary: int, end: int, device: torch.device, *, is_fixed: bool = False
    ) -> None:
        self.end, self._is_fixed = end, is_fixed
        self._books, self._vocabulary = num_codebooks, vocabulary
        self._temperature = torch.ones(slots, num_codebooks, device=device)
        self._top_p = torch.ones(slots, device=device)
        self._top_k = torch.full((slots,), vocabulary, device=device)
        self._reaches = [vocabulary] * slots
        """The same on the host: how many of the likeliest codes are looked at."""
        self._penalty = torch.ones(slots, device=device)
        self._min_steps = torch.zeros(slots, dtype=torch.long, device=device)
        self._end_period = torch.ones(slots, dtype=torch.long, device=device)
        self._end_from = torch.zeros(slots, dtype=torch.long, device=device)
        self._free_steps = torch.zeros(slots, dtype=torch.long, device=device)
        self._free_left = [0] * slots
        """On the host: steps to come that draw from all codes."""
        self._seeds = torch.zeros(slots, dtype=torch.long, device=device)
        self.steps = torch.zeros(slots, dtype=torch.long, device=device)
        # A code beyond the vocabulary stands for "not yet": it has a column of its own, which is thrown away.
        self._history = torch.full((slots, HISTORY, num_codebooks), vocabulary, device=device)

    def put(self, slot: int, seed: int, sampling: Sampling) -> None:
        """Put a new row into a slot."""
        # Numbers that are filled in are arguments of a kernel; an assignment would copy them, and the host would wait.
        several = len(sampling.temperature) > 1
        for book in range(self._books):
            self._temperature[slot, book].fill_(sampling.temperature[book if several else 0])
        self._reaches[slot] = max(KEPT, min(sampling.top_k, self._vocabulary))
        self._free_left[slot] = sampling.free_steps
        for state, value in (
            (self._top_p, sampling.top_p),
            (self._top_k, self._reaches[slot]),
            (self._penalty, sampling.penalty),
            (self._min_steps, sampling.min_steps),
            (self._end_period, sampling.end_period),
            (self._end_from, sampling.end_from),
            (self._free_steps, sampling.free_steps),
            (self._seeds, seed),
            (self.steps, 0),
            (self._history, self._vocabulary),
        ):
            state[slot].fill_(value)

    def history(self, slot: int) -> Tensor:
        """The last codes of a row; with its number of steps, all of its state that `put` does not set."""
        return self._history[slot].clone()

    def go_on(self, slot: int, steps: int, history: Tensor) -> None:
        """Restore the steps and the history of a parked row, after `put`."""
        self.steps[slot].fill_(steps)
        self._history[slot] = history.to(self._history.device)
        self._free_left[slot] = max(0, self._free_left[slot] - steps)

    def move(self, source: int, target: int) -> None:
        """Move a row from one slot to another."""
        for state in self._states:
            state[target] = state[source]
        for kept in (self._reaches, self._free_left):
            kept[target] = kept[source]

    def swap(self, one: int, other: int) -> None:
        """Exchange the rows of two slots."""
        for state in self._states:
            exchange(state, one, other)
        for kept in (self._reaches, self._free_left):
            kept[one], kept[other] = kept[other], kept[one]

    @property
    def _states(self) -> tuple[Tensor, ...]:
        """What a slot's row has on the device."""
        limits = (self._temperature, self._top_p, self._top_k, self._penalty)
        ends = (self._min_steps, self._end_period, self._end_from, self._free_steps)
        return (*limits, *ends, self._seeds, self.steps, self._history)

    def next_top(self, rows: int) -> int:
        """How many of the likeliest codes the next draw looks at, for the first slots; asked once before each draw."""
        free_left = self._free_left[:rows]
        if any(free_left):
            self._free_left[:rows] = [max(0, left - 1) for left in free_left]
            return self._vocabulary
        return self._vocabulary if self._is_fixed else max(self._reaches[:rows])

    def draw(self, logits: Tensor, rows: int, top: int | None = None, is_ready: Tensor | None = None) -> Tensor:
        """Codes int64 [rows, codebooks] of the first slots; nothing of it waits for the device.

        Args:
            logits: Float [rows or more, codebooks, vocabulary]
            top: `next_top` or more, which changes no code; None asks for it
            is_ready: Bool [rows]: the others keep their steps and histories, and their codes mean nothing; None for all
        """
        top = self.next_top(rows) if top is None else top
        scores = logits[:rows].float() / self._temperature[:rows, :, None]
        scores = self._penalised(scores, rows)
        ordered, order = scores.topk(top, 2)
        is_out = self._is_out(scores, order, rows)
        if top == self._vocabulary:
            is_out &= (self.steps[:rows] >= self._free_steps[:rows])[:, None, None]
        is_out |= (order == self.end) & self._is_early(rows)[:, None, None]
        noise = uniform(self._seeds[:rows], self.steps[:rows], self._books)
        codes = order.gather(2, _inverse(ordered.masked_fill(is_out, -torch.inf), noise)[..., None])[..., 0]
        history = torch.cat((self._history[:rows, 1:], codes[:, None]), 1)
        if is_ready is None:
            self._history[:rows] = history
            self.steps[:rows] += 1
        else:
            self._history[:rows] = torch.where(is_ready[:, None, None], history, self._history[:rows])
            self.steps[:rows] += is_ready
        return codes

    def _is_early(self, rows: int) -> Tensor:
        """Whether the end may not come at this step: bool [rows]."""
        steps = self.steps[:rows]
        return (steps < self._min_steps[:rows]) | (steps % self._end_period[:rows] < self._end_from[:rows])

    def _penalised(self, scores: Tensor, rows: int) -> Tensor:
        """Scores, lowered for codes of the last steps by the penalty to the power of how often each was drawn."""
        counts = scores.new_zeros(rows, self._books, self._vocabulary + 1)
        drawn = self._history[:rows].transpose(1, 2)  # [rows, codebooks, 16]
        counts.scatter_add_(2, drawn, torch.ones_like(drawn, dtype=counts.dtype))
        factor = self._penalty[:rows, None, None] ** counts[:, :, :-1]
        return torch.where(scores < 0, scores * factor, scores / factor)

    def _is_out(self, scores: Tensor, order: Tensor, rows: int) -> Tensor:
        """Whether top-P or top-K drop each of the likeliest codes `order` [rows, codebooks, reach], likeliest first."""
        probability = scores.softmax(2).gather(2, order)
        # What lies above a code, itself not included, has to be less than P.
        above = probability.cumsum(2) - probability
        is_out = above >= self._top_p[:rows, None, None]
        is_out[:, :, :KEPT] = False
        rank = torch.arange(order.shape[2], device=order.device)
        return is_out | (rank >= self._top_k[:rows, None, None])


def exchange(state: Tensor, one: int, other: int) -> None:
    """Exchange two rows of a tensor. Indices in a list would be copied to the device, which waits for it."""
    held = state[one].clone()
    state[one] = state[other]
    state[other] = held


def _inverse(scores: Tensor, noise: Tensor) -> Tensor:
    """Draw a place from each row of scores [..., places] by its uniform number [...]: the inverse distribution.

    Sums run from the first place on and skip scores of minus infinity, so that they do not depend on the number of
    places.
    """
    cumulated = (scores - scores.amax(-1, keepdim=True)).exp().cumsum(-1)
    # Scaled by the sum as it was rounded, so that the last place with any probability is the last that can be drawn.
    point = (noise * cumulated[..., -1])[..., None]
    return torch.searchsorted(cumulated, point, right=True)[..., 0].clamp(max=scores.shape[-1] - 1)
