"""The mark of completeness: every row of the corpus is in a committed manifest. It is in `job.json`, beside the root.

In format 2 it was a separate object, `complete.json`, which is still read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pydantic import ConfigDict, model_validator

from ...actors.batcher.stats import BatchStats
from ...actors.records.verdicts import NO_VERDICTS, VerdictCounts
from .stored import Amount, Count, Stored, checked


class _StoredMark(Stored):
    model_config = ConfigDict(extra="ignore")

    num_rows: Count
    num_ok: Count
    num_failed: Count
    audio_s: Amount
    num_unspoken: Count = 0
    num_rejected: Count = 0
    num_again: Count = 0
    num_unheard: Count = 0
    batches: dict[str, Amount] | None = None

    @model_validator(mode="after")
    def _is_a_sum(self) -> Self:
        if self.num_rows != self.num_ok + self.num_failed:
            raise ValueError(f"{self.num_rows} rows, of which {self.num_ok} are ok and {self.num_failed} failed")
        if unknown := sorted((self.batches or {}).keys() - {field.name for field in fields(BatchStats)}):
            raise ValueError(f"batches have no {unknown[0]:.40}")
        return self


@dataclass(frozen=True, slots=True)
class Complete:
    """The final counts of a job: rows of the corpus, how they ended, and the batches of the run that completed it.

    Attributes:
        num_unspoken: Rows that are ok and leave out some of their text
        verdicts: Rows that did not simply pass the job's judges
    """

    num_rows: int
    num_ok: int
    num_failed: int
    audio_s: float
    batches: BatchStats | None = None
    num_unspoken: int = 0
    verdicts: VerdictCounts = NO_VERDICTS

    @property
    def body(self) -> dict[str, Any]:
        """The mark as it is written."""
        body: dict[str, Any] = asdict(self) | {"audio_s": round(self.audio_s, 3)}
        verdicts: dict[str, Any] = body.pop("verdicts")
        return {**body, **verdicts} if self.verdicts else body

    @classmethod
    def of(cls, value: object, source: str) -> Complete:
        """Read the mark from the JSON value of the object at `source`.

        Raises:
            JobError: The value is no such mark
        """
        what = f"{source} has a mark of completeness that cannot be read"
        mark = checked(_StoredMark, value, what, "restore it, or run the job with --repair")
        batches: dict[str, Any] = mark.batches or {}
        return cls(
            mark.num_rows,
            mark.num_ok,
            mark.num_failed,
            float(mark.audio_s),
            BatchStats(**batches) if batches else None,
            mark.num_unspoken,
            VerdictCounts(mark.num_rejected, mark.num_again, mark.num_unheard),
        )
