"""What lies in an engine's slots: keys and values, samplers, and what each row has come to. It knows no order of rows.

Guarantees that a row which is moved, or parked and put back, goes on to the same bits.
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
    """All that a row has come to, out of its slot: it goes on from there to the same bits.

    Attributes:
        cache: Keys and values of its positions
        history: Of its sampler
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
        hidden: Float [slots, hidden]: what the next are drawn from
    """

    def __init__(self, network: Network, slots: int, positions: int, device: torch.device, *, is_fixed: bool) -> None:
        self._device = device
        self.cache = network.cache(slots, positions)
        books, vocabulary, end = network.num_codebooks, network.vocabulary, network.end
        self.sampler = Sampler(slots, books, vocabulary, end, device, is_fixed=is_fixed)
        self.next = torch.zeros(slots, books, dtype=torch.long, device=device)
        self.hidden = torch.zeros(slots, network.hidden, dtype=network.dtype, device=device)
        # What each row has come to, by its steps; it stays on the device until the row ends.
        self._codes = torch.zeros(slots, positions, books, dtype=torch.long, device=device)
        self._hiddens = torch.zeros(slots, positions, network.hidden, dtype=network.dtype, device=device)

    def keep(self, at: Tensor, codes: Tensor, hidden: Tensor) -> None:
        """Codes [rows, codebooks] and hidden states [rows, hidden] of the first slots, as their steps `at` [rows]."""
        rows = torch.arange(len(at), device=self._device)
        self._codes[rows, at], self._hiddens[rows, at] = codes, hidden

    def kept(self, slot: int, steps: slice) -> tuple[Tensor, Tensor]:
        """Codes and hidden states of a row, copied."""
        return self._codes[slot, steps].clone(), self._hiddens[slot, steps].clone()

    def move(self, source: int, target: int, positions: int, steps: int) -> None:
        """The row of one slot into another: so many positions of the cache, and steps."""
        self.cache.move(source, target, positions)
        self.sampler.move(source, target)
        self._codes[target, :steps] = self._codes[source, :steps]
        self._hiddens[target, :steps] = self._hiddens[source, :steps]
        self.next[target], self.hidden[target] = self.next[source], self.hidden[source]

    def park(self, slot: int, positions: int, steps: int) -> Parked:
        """What lies in a slot, copied; in main memory, as a GPU's is for those that speak."""
        codes, hiddens = self.kept(slot, slice(steps))
        return Parked(
            cache=self.cache.copy(slot, positions).cpu(),
            history=self.sampler.history(slot).cpu(),
            following=(self.next[slot].cpu().clone(), self.hidden[slot].cpu().clone()),
            codes=codes.cpu(),
            hiddens=hiddens.cpu(),
        )

    def go_on(self, slot: int, parked: Parked) -> None:
        """A row is as it was, in another slot, which its sampler has been put into."""
        steps = len(parked.codes)
        self.cache.paste(slot, parked.cache)
        self.sampler.go_on(slot, steps, parked.history)
        self.next[slot], self.hidden[slot] = (state.to(self._device) for state in parked.following)
        self._codes[slot, :steps] = parked.codes.to(self._device)
        self._hiddens[slot, :steps] = parked.hiddens.to(self._device)
