"""`complete.json`: the mark that every row of the corpus is in a committed manifest. The last write of a job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ..cluster.storage import Storage
from ..errors import JobError, StorageMissing

COMPLETE_KEY = "complete.json"


@dataclass(frozen=True, slots=True)
class Complete:
    """The final counts of a job: rows of the corpus, and how they ended."""

    num_rows: int
    num_ok: int
    num_failed: int
    audio_s: float

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
            return cls(*counts, audio_s=float(body["audio_s"]))
        except (ValueError, KeyError, TypeError) as error:
            raise JobError(f"{storage.location(COMPLETE_KEY)} cannot be read: {error!r:.120}") from error
