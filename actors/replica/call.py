"""A call of a replica for a job, as long as somebody wants it: what it did is counted, and given back if it is dropped.

Not known here: models, parts, why nobody wants it any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..batcher.stats import NO_BATCHES
from ..records.part import PartStore
from .receipt import JobConfig, ReplicaProgress


class Dropped(BaseException):
    """The part was dropped. No error of a row, so that what handles those lets it through."""


@dataclass(slots=True)
class CalledJob:
    """A job that a replica speaks for.

    Attributes:
        dropped, handed_back: Parts not to be spoken, and not to be spoken to their ends, until their calls have ended
    """

    config: JobConfig
    store: PartStore
    progress: ReplicaProgress = field(default_factory=ReplicaProgress)
    counting: threading.Lock = field(default_factory=threading.Lock)
    dropped: set[str] = field(default_factory=set[str])
    handed_back: set[str] = field(default_factory=set[str])

    def report(self, done: ReplicaProgress) -> None:
        """Count what was done, from any thread."""
        with self.counting:
            self.progress += done


@dataclass(slots=True)
class Call:
    """A call of `speak`, wanted until its part is dropped or its job has left."""

    job: CalledJob
    part: str
    is_there: Callable[[], bool]
    rows: ReplicaProgress = field(default_factory=ReplicaProgress)

    def check(self) -> None:
        """Raise Dropped if nobody wants it any more."""
        if self.part in self.job.dropped or not self.is_there():
            raise Dropped

    def is_handed_back(self) -> bool:
        """Whether what is not spoken by now is to be spoken elsewhere."""
        return self.part in self.job.handed_back

    def forget(self) -> None:
        """It has ended: nothing will be asked of it any more."""
        self.job.dropped.discard(self.part)
        self.job.handed_back.discard(self.part)

    def report(self, done: ReplicaProgress) -> None:
        """Count what was done, from any thread.

        Raises:
            Dropped: The task was dropped
        """
        self.check()
        self.job.report(done)
        with self.job.counting:
            self.rows += replace(done, batches=NO_BATCHES)

    def take_back(self) -> None:
        """Its rows count no more; its batches did happen."""
        self.job.report(ReplicaProgress(-self.rows.rows, -self.rows.failed, -self.rows.audio_s))
