"""The mark that every row of the corpus is in a committed manifest: it stands in `job.json`, with the root.

In format 2 it was an object of its own, `complete.json`, which is still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...actors.batcher.stats import BatchStats
from ...errors import JobError


@dataclass(frozen=True, slots=True)
class Complete:
    """The final counts of a job: rows of the corpus, how they ended, and the batches of the run that completed it."""

    num_rows: int
    num_ok: int
    num_failed: int
    audio_s: float
    batches: BatchStats | None = None

    @property
    def body(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self) | {"audio_s": round(self.audio_s, 3)}

    @classmethod
    def of(cls, body: Mapping[str, Any], source: str) -> Complete:
        """Read it back from the object at `source`. Raises JobError for one that cannot be read."""
        try:
            num_rows, num_ok, num_failed = [_count(body[name]) for name in ("num_rows", "num_ok", "num_failed")]
            if num_rows != num_ok + num_failed:
                raise ValueError(f"{num_rows} rows, of which {num_ok} are ok and {num_failed} failed")
            batches = {name: _number(value) for name, value in (body.get("batches") or {}).items()}
            audio_s = float(_number(body["audio_s"]))
            return cls(num_rows, num_ok, num_failed, audio_s, BatchStats(**batches) if batches else None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise JobError(
                f"{source} has a mark of completeness that cannot be read: {error!r:.120}; restore it, or run the job "
                "with --repair"
            ) from error


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
        raise TypeError(f"{value!r:.40} is no number from 0 to 2**63 - 1")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no number of rows")
    return _number(value)
