"""`complete.json`: the mark that every row of the corpus is in a committed manifest. The last write of a job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ..actors.batcher.stats import BatchStats
from ..cluster.storage import Storage
from ..errors import JobError, OutputGone, StorageMissing
from .bounded import get_bounded
from .identity import JOB_KEY

COMPLETE_KEY = "complete.json"


@dataclass(frozen=True, slots=True)
class Complete:
    """The final counts of a job: rows of the corpus, how they ended, and the batches of the run that completed it."""

    num_rows: int
    num_ok: int
    num_failed: int
    audio_s: float
    batches: BatchStats | None = None

    def write(self, storage: Storage) -> None:
        """Put the mark into the output. Raises OutputGone where that was deleted since the run began."""
        # A folder comes back with the next object that is put into it, without what was committed before.
        if not storage.exists(JOB_KEY):
            raise OutputGone(
                f"{storage.location(JOB_KEY)} was deleted while this run wrote its output, and maybe more with it; "
                f"delete what is left in {storage.uri}, or restore it, and run the same command"
            )
        body = asdict(self) | {"audio_s": round(self.audio_s, 3)}
        storage.put(COMPLETE_KEY, json.dumps(body, indent=2).encode())

    @classmethod
    def read(cls, storage: Storage) -> Complete | None:
        """The mark, None where there is none. Raises JobError for one that cannot be read."""
        try:
            raw = get_bounded(storage, COMPLETE_KEY)
        except StorageMissing:
            return None
        try:
            body = json.loads(raw)
            num_rows, num_ok, num_failed = [_count(body[name]) for name in ("num_rows", "num_ok", "num_failed")]
            if num_rows != num_ok + num_failed:
                raise ValueError(f"{num_rows} rows, of which {num_ok} are ok and {num_failed} failed")
            batches = {name: _number(value) for name, value in (body.get("batches") or {}).items()}
            audio_s = float(_number(body["audio_s"]))
            return cls(num_rows, num_ok, num_failed, audio_s, BatchStats(**batches) if batches else None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise JobError(
                f"{storage.location(COMPLETE_KEY)} cannot be read: {error!r:.120}; delete it, and run the job again"
            ) from error


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
        raise TypeError(f"{value!r:.40} is no number from 0 to 2**63 - 1")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no number of rows")
    return _number(value)
