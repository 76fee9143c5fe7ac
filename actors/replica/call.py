"""A call of `speak` for a job. Its progress is counted for the job, and subtracted again if the call is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..batcher.stats import NO_BATCHES
from ..gate.gate import Gate
from ..gate.stats import NO_GATE
from ..records.part import PartStore
from .receipt import JobConfig, ReplicaProgress
from .references import References
from .retries import Retries, SpeakingTurn


class Dropped(BaseException):
    """The part was dropped. A BaseException, so that handlers of row errors let it pass."""


@dataclass(slots=True)
class CalledJob:
    """A job that a replica speaks for.

    Attributes:
        config: The job's configuration
        store: Takes the job's parts
        progress: The counts so far
        counting: Guards `progress`
        dropped: Parts that must not be spoken; forgotten when their calls end
        handed_back: Parts of which no further row must be spoken; forgotten when their calls end
        gate: The judges of its clips; None for none
        retries: Rejected segments of all its calls
        references: The recordings that its rows name; None where rows name none
    """

    config: JobConfig
    store: PartStore
    progress: ReplicaProgress = field(default_factory=ReplicaProgress)
    counting: threading.Lock = field(default_factory=threading.Lock)
    dropped: set[str] = field(default_factory=set[str])
    handed_back: set[str] = field(default_factory=set[str])
    gate: Gate | None = None
    retries: Retries = field(default_factory=lambda: Retries(SpeakingTurn()))
    references: References | None = None

    def report(self, done: ReplicaProgress) -> None:
        """Add to the counts, from any thread."""
        with self.counting:
            self.progress += done


@dataclass(slots=True)
class Call:
    """A call of `speak`, valid until its part is dropped or its job has left.

    Attributes:
        is_there: Whether the job is still joined
        rows: The counts of this call, without batches
    """

    job: CalledJob
    part: str
    is_there: Callable[[], bool]
    rows: ReplicaProgress = field(default_factory=ReplicaProgress)

    def check(self) -> None:
        """Raise Dropped if the part was dropped or the job has left."""
        if self.part in self.job.dropped or not self.is_there():
            raise Dropped

    def is_handed_back(self) -> bool:
        """Whether rows that are not spoken yet go back to the driver."""
        return self.part in self.job.handed_back

    def forget(self) -> None:
        """Forget the marks of the part: its call has ended."""
        self.job.dropped.discard(self.part)
        self.job.handed_back.discard(self.part)

    def report(self, done: ReplicaProgress) -> None:
        """Add to the counts, from any thread.

        Raises:
            Dropped: The part was dropped or the job has left
        """
        self.check()
        self.job.report(done)
        with self.job.counting:
            self.rows += replace(done, batches=NO_BATCHES, gate=NO_GATE)

    def take_back(self) -> None:
        """Subtract the rows of this call from the job's counts; its batches stay counted, because they were spoken."""
        self.job.report(ReplicaProgress(-self.rows.rows, -self.rows.failed, -self.rows.audio_s))
