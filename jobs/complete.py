"""`complete.json`: the mark that every row of the corpus is in a committed manifest. The last write of a job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ..actors.batcher.stats import BatchStats
from ..cluster.storage import Storage
from ..errors import JobError, StorageMissing

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
        """Put the mark into the output."""
        body = asdict(self) | {"audio_s": round(self.audio_s, 3)}
        storage.put(COMPLETE_KEY, json.dumps(body, indent=2).encode())

    @classmethod
    def read(cls, storage: Storage) -> Complete | None:
        """The mark, None where there is none. Raises JobError for one that cannot be read."""
        try:
            raw = storage.get(COMPLETE_KEY)
        except StorageMissing:
            return None
        try:
            body = json.loads(raw)
            counts = [int(body[name]) for name in ("num_rows", "num_ok", "num_failed")]
            batches = {name: _number(value) for name, value in (body.get("batches") or {}).items()}
            return cls(*counts, audio_s=float(body["audio_s"]), batches=BatchStats(**batches) if batches else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JobError(f"{storage.location(COMPLETE_KEY)} cannot be read: {error!r:.120}") from error


def _number(value: object) -> Any:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value
