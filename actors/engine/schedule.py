"""Which rows are in the slots, and how far each is: the engine's book-keeping. Pure.

Guarantees that the rows in use are the first slots, that each row is prefilled whole before it is decoded, and that
rows come in the order in which they were given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(slots=True)
class Slot(Generic[Row]):
    """A row in a slot.

    prompt    positions of its prompt; `filled` of them are in the cache
    steps     codes drawn so far
    """

    row: Row
    prompt: int
    filled: int = 0
    steps: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether its prompt is in the cache: it takes part in steps."""
        return self.filled == self.prompt

    @property
    def positions(self) -> int:
        """Positions that it holds in the cache, the one of the codes drawn last not yet among them."""
        return self.filled + max(0, self.steps - 1)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Positions of a prompt to be filled next, of the row in a slot."""

    slot: int
    start: int
    count: int


class Schedule(Generic[Row]):
    """Rows that wait, and rows in slots: those that take part in steps first, those being prefilled behind them."""

    def __init__(self, num_slots: int, prefill_positions: int) -> None:
        self.num_slots = num_slots
        self._budget = prefill_positions
        self._waiting: deque[tuple[Row, int]] = deque()
        self.slots: list[Slot[Row]] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self.slots and not self._waiting

    @property
    def num_ready(self) -> int:
        """Rows that take part in steps: they are in the first slots."""
        return sum(slot.is_ready for slot in self.slots)

    def add(self, rows: Iterable[tuple[Row, int]]) -> None:
        """Rows to come, each with the length of its prompt, at least 1."""
        self._waiting.extend(rows)

    def admit(self) -> list[int]:
        """Give free slots to rows that wait; the slots."""
        admitted: list[int] = []
        while self._waiting and len(self.slots) < self.num_slots:
            row, prompt = self._waiting.popleft()
            admitted.append(len(self.slots))
            self.slots.append(Slot(row, prompt))
        return admitted

    def chunks(self) -> list[Chunk]:
        """What to prefill before the next step: prompts in their order, padded at most the budget of positions."""
        found, longest = list[Chunk](), 0
        for number, slot in enumerate(self.slots):
            missing = slot.prompt - slot.filled
            if missing == 0:
                continue
            longest = max(longest, min(missing, self._budget))
            if longest * (len(found) + 1) > self._budget:
                break
            found.append(Chunk(number, slot.filled, min(missing, self._budget)))
        return found

    def whole_chunks(self, size: int) -> list[Chunk]:
        """The same, of a size that other prompts have no part in: the rest of a prompt or `size` positions of it."""
        left, found = self._budget, list[Chunk]()
        for number, slot in enumerate(self.slots):
            count = min(slot.prompt - slot.filled, size)
            if count > 0 and (count <= left or not found):
                found.append(Chunk(number, slot.filled, count))
                left -= count
            elif count > 0:
                break
        return found

    def filled(self, chunk: Chunk) -> None:
        """A chunk is in the cache."""
        self.slots[chunk.slot].filled += chunk.count

    def clear(self) -> None:
        """Forget every row."""
        self._waiting.clear()
        self.slots.clear()

    def leave(self, slot: int) -> list[tuple[int, int]]:
        """A row ends. The moves (source, target), in order, by which the ready rows stay in the first slots."""
        last_ready = self.num_ready - 1
        last = len(self.slots) - 1
        moves = [(source, target) for source, target in ((last_ready, slot), (last, last_ready)) if source != target]
        for source, target in moves:
            self.slots[target] = self.slots[source]
        del self.slots[last]
        return moves
