"""The passes through an engine's network that fill prompts and openings, in chunks. Steps are `step.device_step`'s.

Guaranteed: keys and values of a row come from its own inputs. `Schedule` says what is computed, and in which slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .network import Network, RegionNetwork
from .request import Generated, Request
from .schedule import PromptChunk, Schedule, Slot
from .state import Parked, SlotState
from .step.shape import stepped

FIXED_POSITIONS = 256
"""With fixed shapes, positions of one prompt computed at once: the cut then depends on no other prompt."""


@dataclass(slots=True)
class RowInSlot:
    """A request and its state, in a slot or before it.

    Attributes:
        prompt: What is there of its prompt: float [length, hidden]
        is_whole: No more of it comes
        is_complete: It has drawn its end
        parked: Its state, if it was taken out of its slot
        before: All that was drawn for the rows that this one follows
    """

    request: Request
    prompt: Tensor
    is_whole: bool
    is_complete: bool = False
    parked: Parked | None = None
    before: Generated | None = None

    @property
    def num_before(self) -> int:
        """Steps of the rows that this one follows."""
        return self.before.num_steps if self.before is not None else 0


class Forward:
    """The network of an engine, over the state of its slots.

    Args:
        positions: The most positions of one row
        is_fixed: Compute prompts one by one
    """

    def __init__(
        self,
        network: Network,
        schedule: Schedule[RowInSlot],
        state: SlotState,
        positions: int,
        device: torch.device,
        *,
        is_fixed: bool,
    ) -> None:
        self._network, self._schedule, self._state = network, schedule, state
        self._positions, self._device, self._is_fixed = positions, device, is_fixed
        self._regional = network if isinstance(network, RegionNetwork) else None
        self._region = self._regional.region if self._regional is not None else None

    def prefill(self) -> int:
        """Compute the next chunks of prompts: as one padded batch, or with fixed shapes one by one; their positions."""
        if self._is_fixed:
            chunks = self._schedule.whole_chunks(FIXED_POSITIONS)
            for chunk in chunks:
                self._fill([chunk])
        elif chunks := self._schedule.chunks():
            self._fill(chunks)
        return sum(chunk.count for chunk in chunks)

    def _fill(self, chunks: Sequence[PromptChunk]) -> None:
        """Compute chunks as a padded batch; their rows are in adjacent slots."""
        first, longest = chunks[0].slot, max(chunk.count for chunk in chunks)
        slots = [self._schedule.slots[chunk.slot] for chunk in chunks]
        x = self._state.hidden.new_zeros(len(chunks), longest, self._network.hidden)
        for row, (chunk, slot) in enumerate(zip(chunks, slots, strict=True)):
            source = slot.row.request.opening if chunk.is_opening else slot.row.prompt
            assert source is not None
            x[row, : chunk.count] = source[chunk.start : chunk.start + chunk.count].to(x)
        behind = 0 if self._region is None else self._region.size
        starts = [chunk.start + behind * chunk.is_opening for chunk in chunks]
        reach = stepped(max(start + chunk.count for start, chunk in zip(starts, chunks, strict=True)), self._positions)
        hidden = self._hiddens(x, first, starts, reach, [self._seen(*pair) for pair in zip(chunks, slots, strict=True)])
        if self._region is None:
            last = on_device([chunk.count - 1 for chunk in chunks], self._device)
            rows = torch.arange(len(chunks), device=self._device)
            self._state.hidden[first : first + len(chunks)] = hidden[rows, last]
        for chunk in chunks:
            self._schedule.filled(chunk)

    def _seen(self, chunk: PromptChunk, slot: Slot[RowInSlot]) -> int:
        """The positions of its prompt that the inputs of a chunk attend to behind the region."""
        if self._region is None or not chunk.is_opening:
            return self._schedule.seen(slot)
        # All inputs of an opening look at what the first one does, as MiniCPM-o has it.
        return self._region.seen(0, slot.prompt)

    def _hiddens(self, x: Tensor, first: int, positions: Sequence[int], reach: int, seen: Sequence[int]) -> Tensor:
        """Hidden states of inputs `x` at positions, of the rows in the slots from `first` on.

        Args:
            seen: The positions of its prompt that each row attends to behind the region
        """
        starts = on_device(positions, self._device)
        if self._regional is None:
            return self._network.hiddens(x, self._state.cache, first, starts, reach)
        return self._regional.hiddens(x, self._state.cache, first, starts, reach, on_device(seen, self._device))


def on_device(numbers: Sequence[int], device: torch.device) -> Tensor:
    """int64 [len(numbers)]; the host does not wait until they are there."""
    if device.type != "cuda":
        return torch.tensor(numbers, device=device)
    return torch.tensor(numbers).pin_memory().to(device, non_blocking=True)
