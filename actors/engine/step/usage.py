"""How well the slots of an engine are used. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """The use of the slots: steps, rows in them, rows computed, and prefilled positions of prompts."""

    steps: int = 0
    row_steps: int = 0
    slot_steps: int = 0
    prefilled: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.steps + other.steps,
            self.row_steps + other.row_steps,
            self.slot_steps + other.slot_steps,
            self.prefilled + other.prefilled,
        )

    @property
    def useful(self) -> float:
        """Share of the computed slots that held a row; 0 before the first step."""
        return self.row_steps / self.slot_steps if self.slot_steps else 0.0
