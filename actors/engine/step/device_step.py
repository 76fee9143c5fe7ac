"""One step as operators over the tensors of the slots: codes drawn, stored and fed to the network.

Guaranteed: nothing of a step is read by the host, and what it computes depends on its shape and on the tensors alone.
So it can be captured once and replayed. Rows that take no part keep their state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..network import Network, RegionNetwork
from ..state import SlotState
from .shape import StepShape


class DeviceStep:
    """The step of an engine.

    Args:
        positions: The most positions of one row
    """

    def __init__(self, network: Network, state: SlotState, slots: int, positions: int, device: torch.device) -> None:
        self._network, self._state, self._positions = network, state, positions
        self._regional = network if isinstance(network, RegionNetwork) else None
        self._numbers = torch.arange(slots, device=device)
        self._ready, self._used = (torch.zeros((), dtype=torch.long, device=device) for _ in range(2))
        self._told = (0, 0)
        if self._regional is not None:
            needs = [self._regional.region.needs(at) for at in range(positions + 1)]
            self._needs = torch.tensor(needs, device=device)

    def tell(self, ready: int, used: int) -> None:
        """Tell the device how many of the first slots take part in steps, and how many hold a row."""
        if self._told != (ready, used):
            self._ready.fill_(ready)
            self._used.fill_(used)
            self._told = ready, used

    def run(self, shape: StepShape) -> None:
        """A whole step: with a region an input and the draw from it, else a draw and the input that it gives."""
        if self._regional is not None:
            self.advance(shape)
        self.draw(shape)
        if self._regional is None:
            self.advance(shape)

    def draw(self, shape: StepShape) -> None:
        """Draw codes for every row that takes part, from its last hidden state; store them, and whether they end."""
        state, rows = self._state, shape.computed if shape.ready is None else shape.ready
        is_ready = self._is_ready(shape) if shape.ready is None else None
        logits = self._network.logits(state.hidden[: shape.computed])
        codes = state.sampler.draw(logits, rows, shape.top, is_ready)
        state.keep(codes, is_ready)
        torch.any(codes == self._network.end, 1, out=state.is_end[:rows])

    def advance(self, shape: StepShape) -> None:
        """Feed the drawn codes to the network: the hidden states from which the next codes are drawn."""
        state, rows = self._state, shape.computed
        steps = state.sampler.steps[:rows]
        at = state.starts[:rows] + steps
        is_ready = None if shape.ready == rows else self._is_ready(shape)
        if is_ready is not None:
            at = torch.where(is_ready, at, self._idle(shape))
        x = self._network.embed(state.next[:rows])
        if self._regional is None:
            hidden = self._network.hiddens(x[:, None], state.cache, 0, at, shape.reach)
        else:
            x = torch.where((steps == 0)[:, None], state.openings[:rows], x)
            seen = self._seen(at, rows, is_ready)
            hidden = self._regional.hiddens(x[:, None], state.cache, 0, at, shape.reach, seen)
        state.hidden[:rows] = hidden[:, 0]

    def _is_ready(self, shape: StepShape) -> Tensor:
        """Whether the row of each computed slot takes part: bool [computed]."""
        ready = self._ready if shape.ready is None else shape.ready
        return self._numbers[: shape.computed] < ready

    def _idle(self, shape: StepShape) -> Tensor | int:
        """The positions that slots write to which are computed for the shape alone.

        No row reads the last position before it writes it. A slot without a row has no other position to spare, so it
        takes the first, where attention has least to do.
        """
        if shape.ready is not None:
            return self._positions - 1
        return (self._numbers[: shape.computed] < self._used) * (self._positions - 1)

    def _seen(self, at: Tensor, rows: int, is_ready: Tensor | None) -> Tensor:
        """The positions of its prompt that each row's input behind the region attends to: int64 [rows]."""
        assert self._regional is not None
        behind = (at - self._regional.region.size).clamp(0, self._positions)
        seen = torch.minimum(self._needs[behind], self._state.prompts[:rows])
        return seen if is_ready is None else torch.where(is_ready, seen, 1)
