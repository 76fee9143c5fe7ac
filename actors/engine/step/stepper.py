"""Steps of the rows that are ready: started in a shape that holds them, and their ends read, at once or later.

Two ways, which draw the same codes. At once: a draw, its ends, and then the other rows are advanced. Late: whole steps
in few shapes, so that each can be a graph, and the ends of a step read once the next one was started. A row that has
ended computes one step more then; `Slot.read` does not count it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..forward import RowInSlot
from ..network import Network, RegionNetwork
from ..row_progress import Slot
from ..schedule import Schedule
from ..state import SlotState
from .device_step import DeviceStep
from .ends import EndCopier, UnreadEnds
from .graphs import StepGraphs
from .shape import StepShape, bucket, common_shapes, reach_buckets, row_buckets, stepped, top_bucket
from .usage import Usage


@dataclass(frozen=True, slots=True, eq=False)
class UnreadStep:
    """A step whose ends are not read yet: its rows, in the order of `ends`."""

    slots: list[Slot[RowInSlot]]
    ends: UnreadEnds


class Stepper:
    """The steps of one engine.

    Args:
        positions: The most positions of one row
        is_fixed: Compute all slots at every step
        looks_at_all: Whole steps look at all codes, so that none has a shape of its own for that

    Attributes:
        usage: The use of the slots so far
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
        looks_at_all: bool = False,
    ) -> None:
        slots = schedule.num_slots
        self._schedule, self._state, self._positions, self._is_fixed = schedule, state, positions, is_fixed
        self._vocabulary, self._has_region = network.vocabulary, isinstance(network, RegionNetwork)
        self._least_top = network.vocabulary if is_fixed or looks_at_all else 1
        # With fixed shapes on a CPU the sums are the same to the bit for any reach of attention, because masked
        # positions add zeros. On a GPU kernels are chosen by the length.
        self._is_whole = is_fixed and device.type != "cpu"
        self._step = DeviceStep(network, state, slots, positions, device)
        self._graphs, self._ends = StepGraphs(self._step.run, device), EndCopier(slots, device)
        self._rows = (slots,) if is_fixed else row_buckets(slots)
        self._reaches = (positions,) if is_fixed else reach_buckets(positions)
        self._unread: UnreadStep | None = None
        self.usage = Usage()

    def capture(self) -> None:
        """Compute, and on CUDA capture, a step of each common shape; no slot holds a row."""
        self._step.tell(0, 0)
        slots = self._schedule.num_slots
        top = top_bucket(self._least_top, self._vocabulary)
        for shape in common_shapes(slots, self._positions, top, is_fixed=self._is_fixed):
            self._graphs.run(shape)

    @property
    def num_captured(self) -> int:
        """The number of shapes of steps that are replayed as graphs."""
        return self._graphs.num_captured

    @property
    def has_unread(self) -> bool:
        """Whether ends are to be read of a row that has not left."""
        return self._unread is not None and not all(slot.is_over for slot in self._unread.slots)

    def take_unread(self) -> UnreadStep | None:
        """The step that was started last, if its ends are not read; they are to be read now, or never."""
        unread, self._unread = self._unread, None
        return unread

    def start(self) -> None:
        """Start a whole step of the rows that are ready; its ends are unread."""
        ready = self._schedule.num_ready
        if not ready:
            return
        self._step.tell(ready, len(self._schedule.slots))
        # Without a region the code that is drawn is put in, too, one position further.
        reach = self._reach(ready) + (not self._has_region)
        top = top_bucket(max(self._least_top, self._state.sampler.next_top(ready)), self._vocabulary)
        computed = bucket(ready, self._rows)
        self._graphs.run(StepShape(computed, None, bucket(reach, self._reaches), top))
        self._unread = self._count(ready, computed)

    def draw(self) -> list[int]:
        """Draw codes for every row that is ready: the slots of those that leave with them."""
        ready = self._schedule.num_ready
        if not ready:
            return []
        computed = self._schedule.num_slots if self._is_fixed else ready
        self._step.draw(StepShape(computed, ready, 0, self._state.sampler.next_top(ready)))
        return self.read(self._count(ready, computed))

    def advance(self) -> None:
        """Feed the drawn codes of every row that is ready to the network."""
        ready = self._schedule.num_ready
        if not ready:
            return
        reach = self._positions if self._is_whole else stepped(self._reach(ready), self._positions)
        self._step.advance(StepShape(self._schedule.num_slots if self._is_fixed else ready, ready, reach, 0))

    def read(self, step: UnreadStep | None) -> list[int]:
        """Read the ends of a step: the slots of the rows that leave with them. Rows that have left are passed over."""
        if step is None:
            return []
        drawn = {id(slot): is_end for slot, is_end in zip(step.slots, step.ends.read(), strict=True)}
        ended: list[int] = []
        for number, slot in enumerate(self._schedule.slots):
            is_end = drawn.get(id(slot))
            if is_end is None or slot.is_over:
                continue
            self.usage.row_steps += 1
            # The end itself is written behind the row's last step, and left out.
            slot.row.is_complete = is_end
            slot.read += not is_end
            slot.is_over = is_end or slot.read == slot.row.request.sampling.max_steps
            if slot.is_over:
                slot.steps = slot.read
                if slot.is_whole:
                    ended.append(number)  # others stay until it is known whether a row follows
        return ended

    def _reach(self, ready: int) -> int:
        """The positions of the cache that the next inputs attend to, of the row with the most."""
        return max(self._schedule.position(slot) for slot in self._schedule.slots[:ready]) + 1

    def _count(self, ready: int, computed: int) -> UnreadStep:
        """Count a step of the first rows, and let its ends be copied."""
        self.usage.steps += 1
        self.usage.slot_steps += computed
        slots = self._schedule.slots[:ready]
        for slot in slots:
            slot.steps += 1
        return UnreadStep(slots, self._ends.copy(self._state.is_end[:ready]))
