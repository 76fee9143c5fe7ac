"""How far a row has come: in a slot, or while it waits for one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

from .region import Region

Row = TypeVar("Row")

PATIENCE_STEPS = 500
"""Steps after which a row that waits for its prompt is no longer treated as one that soon goes on: about ten seconds of
speech. Parking costs as much as many steps, and a text at the pace of speech makes a row wait again and again."""


class SlotKind(IntEnum):
    """What a row in a slot does, in the order of the slots."""

    DRAWING = 0
    FILLING_URGENT = 1
    FILLING = 2
    WAITING = 3


@dataclass(slots=True)
class Slot(Generic[Row]):
    """A row in a slot, or one that waits for a slot.

    Attributes:
        prompt: Positions of its prompt that are there
        opening: Inputs between the region and its first code; 0 without a region
        is_whole: No more of its prompt comes
        filled: Positions of its prompt that are in the cache
        opened: Inputs of its opening, but the last, that are in the cache
        steps: Steps computed so far; once the row is over, the codes that it has drawn
        read: Of these, the steps of which it is known that they drew no end
        is_over: It draws no more, and waits until its prompt is complete, or to be collected
        waited: Steps since it has waited for its prompt
    """

    row: Row
    prompt: int
    is_urgent: bool = False
    opening: int = 0
    is_whole: bool = True
    kind: SlotKind = SlotKind.FILLING
    filled: int = 0
    opened: int = 0
    steps: int = 0
    read: int = 0
    is_over: bool = False
    waited: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it takes part in steps: all that its next step needs of its prompt is in the cache."""
        return self.kind is SlotKind.DRAWING

    @property
    def is_filling(self) -> bool:
        """Whether a part of its prompt is to be filled now."""
        return self.kind in (SlotKind.FILLING_URGENT, SlotKind.FILLING)

    @property
    def is_pressing(self) -> bool:
        """Whether it is urgent, and does not wait for long already."""
        return self.is_urgent and self.waited < PATIENCE_STEPS

    @property
    def progress(self) -> int:
        """Positions of its prompt and of its codes so far."""
        return self.filled + self.steps

    @property
    def next_input(self) -> int:
        """The input behind the region that its next step is drawn from."""
        return self.opening - 1 + self.steps


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """Inputs to be filled next, of the row in a slot: of its prompt, or of its opening.

    Attributes:
        start: The first one's position in the prompt, or in the opening
    """

    slot: int
    start: int
    count: int
    is_opening: bool = False


def seen_of(slot: Slot[Any], region: Region | None) -> int:
    """The positions of its prompt that a row's next input attends to."""
    return slot.prompt if region is None else region.seen(slot.next_input, slot.prompt)


def kind_of(slot: Slot[Any], region: Region | None) -> SlotKind:
    """What a row does next."""
    filling = SlotKind.FILLING_URGENT if slot.is_urgent else SlotKind.FILLING
    if region is not None:
        if slot.is_over:
            return filling if slot.is_whole else SlotKind.WAITING
        if not region.is_due(slot.next_input, slot.prompt, is_whole=slot.is_whole):
            return SlotKind.WAITING
        if slot.opened < slot.opening - 1:
            return filling
    return SlotKind.DRAWING if slot.filled >= seen_of(slot, region) else filling
