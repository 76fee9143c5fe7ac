"""The rows in the slots, and the progress of each: the engine's book-keeping. Pure.

Guaranteed: the rows in use are the first slots: first those that take part in steps, then urgent ones whose prompts are
being filled, then others. Rows are admitted in the order in which they were added, urgent ones first. If urgent rows
need room, others are parked with their whole state and go on later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

Row = TypeVar("Row")
SlotMove = tuple[int, int]
"""Source and target: a row moves to another slot, which is free or whose row was moved before."""


@dataclass(slots=True)
class Slot(Generic[Row]):
    """A row in a slot, or one that waits for a slot.

    Attributes:
        prompt: Positions of its prompt
        filled: Positions of its prompt that are in the cache
        steps: Codes drawn so far
    """

    row: Row
    prompt: int
    is_urgent: bool = False
    filled: int = 0
    steps: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether its prompt is in the cache, so that it takes part in steps."""
        return self.filled == self.prompt

    @property
    def positions(self) -> int:
        """Positions of the row in the cache, those of all drawn codes included."""
        return self.filled + self.steps


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """Positions of a prompt to be filled next, of the row in a slot."""

    slot: int
    start: int
    count: int


class Schedule(Generic[Row]):
    """Rows that wait, and rows in slots.

    Args:
        prefill_positions: The most positions of prompts that are filled before one step, padding included
        beside_urgent: The most other rows in slots beside urgent ones: more would make their steps slower
    """

    def __init__(self, num_slots: int, prefill_positions: int, beside_urgent: int | None = None) -> None:
        self.num_slots = num_slots
        self._budget = prefill_positions
        self._beside_urgent = num_slots if beside_urgent is None else beside_urgent
        self._urgent: deque[Slot[Row]] = deque()
        self._waiting: deque[Slot[Row]] = deque()
        self.slots: list[Slot[Row]] = []

    @property
    def is_idle(self) -> bool:
        """Whether no row is left."""
        return not self.slots and not self._waiting and not self._urgent

    @property
    def num_ready(self) -> int:
        """Number of rows that take part in steps; they are in the first slots."""
        return sum(slot.is_ready for slot in self.slots)

    def rows(self) -> Iterator[Row]:
        """Every row that has not ended."""
        return (slot.row for slots in (self.slots, self._urgent, self._waiting) for slot in slots)

    def add(self, row: Row, prompt: int, *, is_urgent: bool = False) -> None:
        """Add a row; `prompt`: the length of its prompt, at least 1."""
        (self._urgent if is_urgent else self._waiting).append(Slot(row, prompt, is_urgent))

    def next_to_park(self) -> int | None:
        """The slot of a row that has to make room, the one with the least progress; None if all may stay."""
        others = [number for number, slot in enumerate(self.slots) if not slot.is_urgent]
        num_urgent = len(self.slots) - len(others) + len(self._urgent)
        if not others or not num_urgent:
            return None
        is_full = len(self.slots) == self.num_slots and len(self._urgent) > 0
        if not is_full and len(others) <= self._beside_urgent:
            return None
        return min(reversed(others), key=lambda number: self.slots[number].positions)

    def park(self, slot: int) -> list[SlotMove]:
        """Take a row out of its slot; it goes on later, before all waiting rows. The moves that close the gap."""
        self._waiting.appendleft(self.slots[slot])
        return self.leave(slot)

    def admit(self) -> tuple[int, list[SlotMove]] | None:
        """Give a free slot to the next row: the slot, and the moves that make it free. None if none can come."""
        if len(self.slots) == self.num_slots:
            return None
        if self._urgent:
            coming = self._urgent.popleft()
        elif self._waiting and self._has_room_for_others():
            coming = self._waiting.popleft()
        else:
            return None
        # From the back, the first row of each kind makes room for the kind before it.
        starts = [*self._ends()[:2], len(self.slots) - 1]
        kind = 0 if coming.is_ready else 1 if coming.is_urgent else 2
        gaps = sorted({end + 1 for end in starts[kind:]}, reverse=True)
        moves = [(source, target) for target, source in pairwise(gaps)]
        self.slots.append(coming)
        for source, target in moves:
            self.slots[target] = self.slots[source]
        self.slots[gaps[-1]] = coming
        return gaps[-1], moves

    def _has_room_for_others(self) -> bool:
        num_others = sum(not slot.is_urgent for slot in self.slots)
        return num_others == len(self.slots) or num_others < self._beside_urgent

    def _ends(self) -> tuple[int, int, int]:
        """The last slot of the ready rows, of the ready and the urgent rows, and of all rows; -1 for none."""
        ready = self.num_ready
        urgent = sum(slot.is_urgent and not slot.is_ready for slot in self.slots)
        return ready - 1, ready + urgent - 1, len(self.slots) - 1

    def chunks(self) -> list[PromptChunk]:
        """Chunks to prefill before the next step, of adjacent slots: padded, at most `prefill_positions` in all."""
        found, longest = list[PromptChunk](), 0
        for number, slot in self._unfilled():
            missing = min(slot.prompt - slot.filled, self._budget)
            longest = max(longest, missing)
            if longest * (len(found) + 1) > self._budget:
                break
            found.append(PromptChunk(number, slot.filled, missing))
        return found

    def whole_chunks(self, size: int) -> list[PromptChunk]:
        """Chunks whose sizes do not depend on other prompts: `size` positions of a prompt, or its rest."""
        left, found = self._budget, list[PromptChunk]()
        for number, slot in self._unfilled():
            missing = slot.prompt - slot.filled
            count = min(missing, size)
            if count > left and found:
                break
            found.append(PromptChunk(number, slot.filled, count))
            left -= count
            if count < missing:
                break  # those behind it must not be ready before it
        return found

    def _unfilled(self) -> Iterator[tuple[int, Slot[Row]]]:
        """Slots whose prompts are not filled yet; only the urgent ones as long as there are any."""
        unfilled = [(number, slot) for number, slot in enumerate(self.slots) if not slot.is_ready]
        is_urgent = any(slot.is_urgent for _, slot in unfilled)
        return ((number, slot) for number, slot in unfilled if slot.is_urgent or not is_urgent)

    def filled(self, chunk: PromptChunk) -> None:
        """Record that a chunk is in the cache."""
        self.slots[chunk.slot].filled += chunk.count

    def clear(self) -> None:
        """Forget every row."""
        self._urgent.clear()
        self._waiting.clear()
        self.slots.clear()

    def forget(self, row: Row) -> list[SlotMove]:
        """Drop a row, waiting or in a slot. The moves that close its gap.

        Raises:
            ValueError: There is no such row
        """
        for waiting in (self._urgent, self._waiting):
            for slot in waiting:
                if slot.row is row:
                    waiting.remove(slot)
                    return []
        return self.leave(next(number for number, slot in enumerate(self.slots) if slot.row is row))

    def leave(self, slot: int) -> list[SlotMove]:
        """Remove an ended row. The moves, in order, that keep the rows in use in the first slots, ready ones first."""
        gaps = sorted({slot, *(end for end in self._ends() if end > slot)})
        moves = [(source, target) for target, source in pairwise(gaps)]
        for source, target in moves:
            self.slots[target] = self.slots[source]
        del self.slots[-1]
        return moves
