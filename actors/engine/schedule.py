"""The rows in the slots, and the progress of each: the engine's book-keeping. Pure.

Guaranteed: the rows in use are the first slots: first those that take part in steps, then urgent ones whose prompts are
being filled, then others, then those that wait for a part of their prompt. Rows are admitted in the order in which they
were added, urgent ones first, and none before the part of its prompt is there that its next step needs. If urgent rows
need room, others are parked with their whole state and go on later; a row that waits is parked for an urgent one at
once, for others after `PATIENCE_STEPS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Generic

from .region import Region
from .row_progress import PATIENCE_STEPS, PromptChunk, Row, Slot, SlotKind, kind_of, seen_of

SlotMove = tuple[int, int]
"""Source and target: a row moves to another slot, which is free or whose row was moved before."""


class Schedule(Generic[Row]):
    """Rows that wait, and rows in slots.

    Args:
        prefill_positions: The most positions of prompts that are filled before one step, padding included
        beside_urgent: The most other rows in slots beside urgent ones: more would make their steps slower
        region: The region of every row; None if prompts have none
        is_exact: Fill as much of a prompt as the next step needs and no more, so that the cuts depend on it alone
    """

    def __init__(
        self,
        num_slots: int,
        prefill_positions: int,
        beside_urgent: int | None = None,
        region: Region | None = None,
        *,
        is_exact: bool = False,
    ) -> None:
        self.num_slots = num_slots
        self._region, self._is_exact = region, is_exact
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

    @property
    def has_work(self) -> bool:
        """Whether a step can do something: not if every row waits for its prompt."""
        if any(kind_of(slot, self._region) is not SlotKind.WAITING for slot in self.slots):
            return True
        # Rows that all wait make room for any other.
        return self._coming(self._urgent) is not None or self._coming(self._waiting) is not None

    def add(
        self,
        row: Row,
        prompt: int,
        *,
        is_urgent: bool = False,
        opening: int = 0,
        is_whole: bool = True,
        is_next: bool = False,
    ) -> None:
        """Add a row.

        Args:
            prompt: The length of its prompt so far; without a region at least 1
            opening: The length of its opening; at least 1 with a region
            is_whole: No more of its prompt comes
            is_next: It goes before all other rows that wait
        """
        rows, slot = self._urgent if is_urgent else self._waiting, Slot(row, prompt, is_urgent, opening, is_whole)
        rows.insert(0 if is_next else len(rows), slot)

    def extend(self, row: Row, positions: int, *, is_whole: bool) -> None:
        """Add positions to the prompt of a row, which is in a slot or not; `settle` comes next."""
        for slots in (self.slots, self._urgent, self._waiting):
            for slot in slots:
                if slot.row is row:
                    slot.prompt += positions
                    slot.is_whole = is_whole

    def position(self, slot: Slot[Row]) -> int:
        """The position of the input that a row's next step is drawn from."""
        return slot.prompt + slot.steps - 1 if self._region is None else self._region.size + slot.next_input

    def in_cache(self, slot: Slot[Row]) -> int:
        """The positions of the cache that a row may have written."""
        if self._region is None or not (slot.steps or slot.opened):
            return slot.progress
        return self.position(slot) + 1

    def seen(self, slot: Slot[Row]) -> int:
        """The positions of its prompt that a row's next input attends to."""
        return seen_of(slot, self._region)

    def settle(self) -> Iterator[SlotMove]:
        """Put the slots in order again after steps, chunks or extensions.

        Yields:
            Two slots whose rows have been exchanged, before the next exchange
        """
        if self._region is None:
            return
        for slot in self.slots:
            slot.kind = kind_of(slot, self._region)
        wanted = sorted(slot.kind for slot in self.slots)
        for number, kind in enumerate(wanted):
            if self.slots[number].kind is kind:
                continue
            others = [other for other in range(number + 1, len(wanted)) if self.slots[other].kind is kind]
            # The best exchange puts both in order.
            other = next((other for other in others if wanted[other] is self.slots[number].kind), others[0])
            self.slots[number], self.slots[other] = self.slots[other], self.slots[number]
            yield number, other

    def count_step(self) -> None:
        """Count the steps that rows wait."""
        for slot in self.slots:
            slot.waited = slot.waited + 1 if slot.kind is SlotKind.WAITING else 0

    def next_to_park(self) -> int | None:
        """The slot of a row that has to make room, the one with the least progress; None if all may stay.

        Rows that wait for their prompts make room first: for an urgent one at once, for others after `PATIENCE_STEPS`.
        """
        is_urgent_coming = self._coming(self._urgent) is not None
        is_full = len(self.slots) == self.num_slots
        if is_full and (is_urgent_coming or self._coming(self._waiting) is not None):
            least = 0 if is_urgent_coming or self._is_standing else PATIENCE_STEPS
            idle = [n for n, slot in enumerate(self.slots) if slot.kind is SlotKind.WAITING and slot.waited >= least]
            if idle:
                return max(idle, key=lambda number: self.slots[number].waited)
        others = [number for number, slot in enumerate(self.slots) if not slot.is_urgent]
        is_urgent_here = any(slot.is_urgent and slot.kind is not SlotKind.WAITING for slot in self.slots)
        if not others or not (is_urgent_coming or is_urgent_here):
            return None
        if not (is_full and is_urgent_coming) and len(others) <= self._beside_urgent:
            return None
        return min(reversed(others), key=lambda number: self.slots[number].progress)

    def park(self, slot: int) -> list[SlotMove]:
        """Take a row out of its slot; it goes on later, before all waiting rows. The moves that close the gap."""
        parked = self.slots[slot]
        parked.waited = 0
        (self._urgent if parked.is_urgent else self._waiting).appendleft(parked)
        return self.leave(slot)

    def admit(self) -> tuple[int, list[SlotMove]] | None:
        """Give a free slot to the next row: the slot, and the moves that make it free. None if none can come."""
        if len(self.slots) == self.num_slots:
            return None
        queue = self._urgent
        coming = self._coming(queue)
        if coming is None and self._has_room():
            queue = self._waiting
            coming = self._coming(queue)
        if coming is None:
            return None
        queue.remove(coming)
        coming.kind = kind_of(coming, self._region)
        # From the back, the first row of each kind makes room for the kind before it.
        gaps = sorted({end + 1 for end in self._ends()[coming.kind :]}, reverse=True)
        moves = [(source, target) for target, source in pairwise(gaps)]
        self.slots.append(coming)
        for source, target in moves:
            self.slots[target] = self.slots[source]
        self.slots[gaps[-1]] = coming
        return gaps[-1], moves

    def _has_room(self) -> bool:
        """Whether another row may come beside urgent ones."""
        num_others = sum(not slot.is_urgent for slot in self.slots)
        is_urgent = any(slot.is_pressing for slot in self.slots) and not self._is_standing
        return num_others < self._beside_urgent or not is_urgent

    @property
    def _is_standing(self) -> bool:
        """Whether every row in a slot waits for its prompt."""
        return all(slot.kind is SlotKind.WAITING for slot in self.slots)

    def _coming(self, queue: deque[Slot[Row]]) -> Slot[Row] | None:
        """The first row of a queue whose prompt is there as far as its next step needs it."""
        return next((slot for slot in queue if kind_of(slot, self._region) is not SlotKind.WAITING), None)

    def _ends(self) -> list[int]:
        """For each kind, the last slot of its rows and those of the kinds before it; -1 for none."""
        kinds = [slot.kind for slot in self.slots]
        return [sum(kind <= last for kind in kinds) - 1 for last in SlotKind]

    def chunks(self) -> list[PromptChunk]:
        """Chunks to prefill before the next step, of adjacent slots: padded, at most `prefill_positions` in all."""
        found, longest, room = list[PromptChunk](), 0, self._budget
        for number, slot in self._unfilled():
            chunk = self._chunk(number, slot, self._budget)
            longest = max(longest, chunk.count)
            if self._region is not None and slot.steps:
                # Padding behind a chunk must not lie on codes that the row has drawn.
                room = min(room, self._region.size - chunk.start)
            if longest * (len(found) + 1) > self._budget or (found and longest > room):
                break
            found.append(chunk)
        return found

    def whole_chunks(self, size: int) -> list[PromptChunk]:
        """Chunks whose sizes do not depend on other prompts: `size` positions of a prompt, or its rest."""
        left, found = self._budget, list[PromptChunk]()
        for number, slot in self._unfilled():
            chunk = self._chunk(number, slot, size)
            if chunk.count > left and found:
                break
            found.append(chunk)
            left -= chunk.count
            if chunk.start + chunk.count < slot.prompt and self._region is None:
                break  # those behind it must not be ready before it
        return found

    def _chunk(self, number: int, slot: Slot[Row], most: int) -> PromptChunk:
        """The next chunk of a row that is being filled."""
        needed = self.seen(slot)
        if slot.filled >= needed:
            return PromptChunk(number, slot.opened, slot.opening - 1 - slot.opened, is_opening=True)
        # A stream draws its first step sooner if no more is filled before it than the step needs.
        is_short = self._is_exact or (slot.is_urgent and not slot.steps)
        return PromptChunk(number, slot.filled, min((needed if is_short else slot.prompt) - slot.filled, most))

    def _unfilled(self) -> Iterator[tuple[int, Slot[Row]]]:
        """Slots whose prompts are to be filled; only the urgent ones as long as there are any."""
        filling = [(number, slot) for number, slot in enumerate(self.slots) if slot.is_filling]
        is_urgent = any(slot.is_urgent for _, slot in filling)
        return ((number, slot) for number, slot in filling if slot.is_urgent or not is_urgent)

    def filled(self, chunk: PromptChunk) -> None:
        """Record that a chunk is in the cache; with a region, `settle` comes next."""
        slot = self.slots[chunk.slot]
        if chunk.is_opening:
            slot.opened += chunk.count
        else:
            slot.filled += chunk.count
        if self._region is None:
            slot.kind = kind_of(slot, self._region)

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
