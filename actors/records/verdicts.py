"""Rows by the verdicts of judges, as names of manifests and totals count them. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self


class JudgedRow(Protocol):
    """What is counted of a record."""

    @property
    def verdict(self) -> str | None: ...
    @property
    def attempt(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """Rows that did not simply pass; all 0 where nothing was judged.

    Attributes:
        num_rejected: Rows of which no attempt passed, stored or failed
        num_again: Rows that passed at a later attempt than the first
        num_unheard: Rows that no judge rejected and some judge could not judge
    """

    num_rejected: int = 0
    num_again: int = 0
    num_unheard: int = 0

    @classmethod
    def of(cls, records: Iterable[JudgedRow]) -> Self:
        """The counts of these rows."""
        judged = [(record.verdict, record.attempt or 0) for record in records if record.verdict is not None]
        return cls(
            sum(verdict == "rejected" for verdict, _ in judged),
            sum(verdict == "passed" and attempt > 0 for verdict, attempt in judged),
            sum(verdict == "unheard" for verdict, _ in judged),
        )

    def __add__(self, other: VerdictCounts) -> VerdictCounts:
        """The sums."""
        return VerdictCounts(
            self.num_rejected + other.num_rejected,
            self.num_again + other.num_again,
            self.num_unheard + other.num_unheard,
        )

    def __bool__(self) -> bool:
        return bool(self.num_rejected or self.num_again or self.num_unheard)


NO_VERDICTS = VerdictCounts()
