"""A region of fixed length for the prompt of a row: audio starts behind it, so the prompt may grow meanwhile. Pure.

Guaranteed: what an input attends to depends on its place and on the prompt, never on when the prompt arrived. A step
whose part of the prompt is not there yet is not computed (`Region.is_due`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """The positions at the beginning of every row that are reserved for its prompt, however short that is.

    Behind them stand the row's opening (`Request.opening`) and then its codes. These inputs are numbered from 0: with
    an opening of n inputs, step t is drawn from input n - 1 + t, at position `size` + n - 1 + t.

    Attributes:
        size: Number of positions
        needs: The positions of the prompt that have to be there before input number `at` is computed, and that it
            attends to: at least 1, at most `size`, and never fewer for a later input. Of a prompt that is complete and
            shorter, all
        num_hidden: So many inputs right behind the region are attended to by no input, not even by themselves
    """

    size: int
    needs: Callable[[int], int]
    num_hidden: int = 0

    def seen(self, at: int, length: int) -> int:
        """The prompt positions that input `at` attends to, of a prompt of so many."""
        return min(self.needs(at), length)

    def is_due(self, at: int, length: int, *, is_whole: bool) -> bool:
        """Whether enough of the prompt is there for input `at`.

        Args:
            length: Positions of the prompt that are there
            is_whole: Nothing more comes
        """
        return is_whole or length >= self.needs(at)
