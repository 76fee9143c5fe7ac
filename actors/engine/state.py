"""The state of an engine's slots: keys and values, samplers, and the steps of each row. `Schedule` orders the rows.

Guaranteed: a row that is moved, or parked and put back, continues with the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .request import Sampling
from .sampler import Sampler, exchange

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
        starts: int64 [slots]: the position of each row's next input, less the number of its steps
        prompts: int64 [slots]: the positions of each row's prompt that are there
        openings: Float [slots, hidden]: the last input before each row's first code; [slots, 0] without a region
        is_end: Bool [slots]: whether the last step drew the end of each row
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
        has_openings: bool = False,
    ) -> None:
        self._device, self._positions = device, positions
        self.cache = network.cache(slots, positions)
        books, vocabulary, end = network.num_codebooks, network.vocabulary, network.end
        self.sampler = Sampler(slots, books, vocabulary, end, device, is_fixed=is_fixed)
        self.next = torch.zeros(slots, books, dtype=torch.long, device=device)
        self.hidden = torch.zeros(slots, network.hidden, dtype=network.dtype, device=device)
        self.starts, self.prompts = (torch.zeros(slots, dtype=torch.long, device=device) for _ in range(2))
        self.openings = torch.zeros(slots, network.hidden * has_openings, dtype=network.dtype, device=device)
        self.is_end = torch.zeros(slots, dtype=torch.bool, device=device)
        # The steps of each row so far; they stay on the device until the row ends.
        self._codes = torch.zeros(slots, positions, books, dtype=torch.long, device=device)
        self._num_kept = network.hidden if keeps_hiddens else 0
        self._hiddens = torch.zeros(slots, positions, self._num_kept, dtype=network.dtype, device=device)

    def put(self, slot: int, seed: int, sampling: Sampling, start: int, prompt: int, opening: Tensor | None) -> None:
        """Put a new row into a slot.

        Args:
            start: The position of its next input, less the number of its steps
            prompt: The positions of its prompt that are there
            opening: Float [length, hidden]; None without a region
        """
        self.sampler.put(slot, seed, sampling)
        self.starts[slot].fill_(start)
        self.prompts[slot].fill_(prompt)
        if opening is not None:
            self.openings[slot] = opening[-1]

    def keep(self, codes: Tensor, is_ready: Tensor | None = None) -> None:
        """Store the codes [rows, codebooks] that the first slots have just drawn, and their hidden states.

        Args:
            is_ready: Bool [rows]: what the others draw is thrown away; None for all
        """
        count = len(codes)
        at = self.sampler.steps[:count] - 1
        if is_ready is None:
            self.next[:count] = codes
        else:
            self.next[:count] = torch.where(is_ready[:, None], codes, self.next[:count])
            # The last place is used by no row: a prompt has at least one position.
            at = torch.where(is_ready, at, self._positions - 1)
        rows = torch.arange(count, device=self._device)
        self._codes[rows, at], self._hiddens[rows, at] = codes, self.hidden[:count, : self._num_kept]

    def kept(self, slot: int, steps: slice) -> tuple[Tensor, Tensor]:
        """A copy of a row's codes and hidden states."""
        return self._codes[slot, steps].clone(), self._hiddens[slot, steps].clone()

    def move(self, source: int, target: int, positions: int, steps: int) -> None:
        """Move a row to another slot: so many positions of the cache, and so many steps."""
        self.cache.move(source, target, positions)
        self.sampler.move(source, target)
        self._codes[target, :steps] = self._codes[source, :steps]
        self._hiddens[target, :steps] = self._hiddens[source, :steps]
        for state in self._states:
            state[target] = state[source]

    def swap(self, one: int, other: int, positions: int, steps: int) -> None:
        """Exchange the rows of two slots: so many positions of the cache, and so many steps."""
        self.cache.swap(one, other, positions)
        self.sampler.swap(one, other)
        for state in (self._codes[:, :steps], self._hiddens[:, :steps], *self._states):
            exchange(state, one, other)

    @property
    def _states(self) -> tuple[Tensor, ...]:
        """What a row has in its slot beside its cache, its sampler and its steps."""
        return self.next, self.hidden, self.starts, self.prompts, self.openings

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
