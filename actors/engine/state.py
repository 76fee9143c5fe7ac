"""The state of an engine's slots: keys and values, samplers, and the steps of each row. `Schedule` orders the rows.

Guaranteed: a row that is moved, or parked and put back, continues with the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .sampler import Sampler

if TYPE_CHECKING:
    from .network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Parked:
    """The whole state of a row outside its slot, from which it continues with the same bits.

    Attributes:
        cache: Keys and values of its positions
        history: The history of its sampler
        following: The codes drawn last, and the hidden state that the next are drawn from
    """

    cache: Tensor
    history: Tensor
    following: tuple[Tensor, Tensor]
    codes: Tensor
    hiddens: Tensor


class SlotState:
    """The tensors of all slots.

    Attributes:
        next: int64 [slots, codebooks]: the codes drawn last
        hidden: Float [slots, hidden]: the hidden states that the next codes are drawn from
    """

    def __init__(
        self,
        network: Network,
        slots: int,
        positions: int,
        device: torch.device,
        *,
        is_fixed: bool,
        keeps_hiddens: bool = True,
    ) -> None:
        self._device = device
        self.cache = network.cache(slots, positions)
        books, vocabulary, end = network.num_codebooks, network.vocabulary, network.end
        self.sampler = Sampler(slots, books, vocabulary, end, device, is_fixed=is_fixed)
        self.next = torch.zeros(slots, books, dtype=torch.long, device=device)
        self.hidden = torch.zeros(slots, network.hidden, dtype=network.dtype, device=device)
        # The steps of each row so far; they stay on the device until the row ends.
        self._codes = torch.zeros(slots, positions, books, dtype=torch.long, device=device)
        self._num_kept = network.hidden if keeps_hiddens else 0
        self._hiddens = torch.zeros(slots, positions, self._num_kept, dtype=network.dtype, device=device)

    def keep(self, at: Tensor, codes: Tensor, hidden: Tensor) -> None:
        """Store codes [rows, codebooks] and hidden states [rows, hidden] of the first slots as steps `at` [rows]."""
        rows = torch.arange(len(at), device=self._device)
        self._codes[rows, at], self._hiddens[rows, at] = codes, hidden[:, : self._num_kept]

    def kept(self, slot: int, steps: slice) -> tuple[Tensor, Tensor]:
        """A copy of a row's codes and hidden states."""
        return self._codes[slot, steps].clone(), self._hiddens[slot, steps].clone()

    def move(self, source: int, target: int, positions: int, steps: int) -> None:
        """Move a row to another slot: so many positions of the cache, and so many steps."""
        self.cache.move(source, target, positions)
        self.sampler.move(source, target)
        self._codes[target, :steps] = self._codes[source, :steps]
        self._hiddens[target, :steps] = self._hiddens[source, :steps]
        self.next[target], self.hidden[target] = self.next[source], self.hidden[source]

    def swap(self, one: int, other: int, positions: int, steps: int) -> None:
        """Exchange the rows of two slots: so many positions of the cache, and so many steps."""
        self.cache.swap(one, other, positions)
        self.sampler.swap(one, other)
        pair, swapped = [one, other], [other, one]
        self._codes[pair, :steps] = self._codes[swapped, :steps]
        self._hiddens[pair, :steps] = self._hiddens[swapped, :steps]
        self.next[pair], self.hidden[pair] = self.next[swapped], self.hidden[swapped]

    def park(self, slot: int, positions: int, steps: int) -> Parked:
        """Copy the state of a row to main memory: a GPU's memory is for running rows."""
        codes, hiddens = self.kept(slot, slice(steps))
        return Parked(
            cache=self.cache.copy(slot, positions).cpu(),
            history=self.sampler.history(slot).cpu(),
            following=(self.next[slot].cpu().clone(), self.hidden[slot].cpu().clone()),
            codes=codes.cpu(),
            hiddens=hiddens.cpu(),
        )

    def go_on(self, slot: int, parked: Parked) -> None:
        """Restore a parked row in a slot, after its sampler was put there."""
        steps = len(parked.codes)
        self.cache.paste(slot, parked.cache)
        self.sampler.go_on(slot, steps, parked.history)
        self.next[slot], self.hidden[slot] = (state.to(self._device) for state in parked.following)
        self._codes[slot, :steps] = parked.codes.to(self._device)
        self._hiddens[slot, :steps] = parked.hiddens.to(self._device)
