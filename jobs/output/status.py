"""The state of an output, read from the store alone, whether its run is active, dead or finished."""

from __future__ import annotations

from dataclasses import dataclass

from ...actors.records.keys import ROOT_KEY
from ...actors.records.verdicts import NO_VERDICTS, VerdictCounts
from ...cluster.lease.lease import Lease
from ...cluster.storage import Storage
from ...errors import JobError, StorageMissing
from ..corpus.printable import printable
from .holdings import Holdings
from .output_file import OutputFile


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of the committed rows. They are those of the whole corpus when `is_complete`.

    Attributes:
        task: "speak", or "refine", which makes no audio
        is_complete: Every row was committed
        driver: The process that writes the output now; "" if there is none
        problems: Objects of a complete output that are missing now, a sentence for each kind
        num_unspoken: Rows that are ok and leave out some of their text
        generation: 1, and one more with each update
        earlier: Numbers of the generations before that can still be read
        verdicts: Rows that did not simply pass the job's judges
    """

    output: str
    job_name: str
    task: str
    fingerprint: str
    is_complete: bool
    num_parts: int
    num_ok: int
    num_failed: int
    audio_s: float
    num_unspoken: int = 0
    driver: str = ""
    problems: tuple[str, ...] = ()
    generation: int = 1
    earlier: tuple[int, ...] = ()
    verdicts: VerdictCounts = NO_VERDICTS

    @property
    def is_damaged(self) -> bool:
        """Whether committed objects are missing."""
        return bool(self.problems)


def status(storage: Storage) -> Status:
    """Read the status of an output.

    Raises:
        StorageMissing: There is no output
    """
    output = OutputFile.read(storage)
    if output is None:
        if driver := _driver(storage):
            raise StorageMissing(f"{storage.uri} holds no speechmill output yet: it is being started by {driver}")
        raise StorageMissing(f"{storage.uri} holds no speechmill output: there is no {ROOT_KEY}")
    job, holdings = output.job, Holdings.of(storage, output)
    ledger = holdings.ledger
    return Status(
        output=storage.uri,
        job_name=printable(str(job.spec.get("name", ""))),
        task=printable(str(job.spec.get("task", "speak"))),
        fingerprint=job.identity.fingerprint,
        is_complete=output.complete is not None,
        num_parts=len(ledger),
        num_ok=ledger.totals.num_ok,
        num_failed=ledger.totals.num_failed,
        audio_s=ledger.totals.audio_s,
        num_unspoken=ledger.totals.num_unspoken,
        driver=_driver(storage),
        problems=holdings.problems,
        generation=output.root.generation,
        earlier=tuple(output.generations[:-1]),
        verdicts=ledger.totals.verdicts,
    )


def _driver(storage: Storage) -> str:
    try:
        holder = Lease.read(storage)
    except JobError as error:
        return printable(str(error))
    return "" if holder is None else printable(str(holder))
