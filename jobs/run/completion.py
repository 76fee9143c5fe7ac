"""The end of a job: writes the mark of completeness once every row is committed."""

from __future__ import annotations

from contextlib import suppress

from ...actors.batcher.stats import BatchStats
from ...errors import JobChanged, JobError, RunStopped
from ..output.claim import Claim
from ..output.complete import Complete
from ..output.plan_log import PlanLog
from ..output.totals import Totals
from .prepare import ResolvedJob


def complete_output(
    job: ResolvedJob, claim: Claim, log: PlanLog, committed: Totals, num_rows: int, batches: BatchStats
) -> Complete:
    """Write the mark of completeness, and remove objects that only a run needs.

    Args:
        committed: Rows and audio of all committed manifests
        num_rows: Rows of the corpus, as it was read
        batches: Batches of this run

    Raises:
        CorpusChanged: An input file has changed since the run began
        JobChanged: The manifests and the corpus have different numbers of rows
        LeaseLost: Another driver has the lease
        JobError: The store raised it
        RunStopped: The store raised it
    """
    job.corpus.refuse_changed()
    if committed.num_rows != num_rows:
        raise JobChanged(
            f"{job.spec.output.uri} has {committed.num_rows} rows in its manifests, the corpus {num_rows}: it has "
            "changed since. Restore it, or start anew with --overwrite."
        )
    told = batches if batches.cells_total else None
    complete = Complete(
        committed.num_rows,
        committed.num_ok,
        committed.num_failed,
        committed.audio_s,
        told,
        committed.num_unspoken,
        committed.verdicts,
    )
    claim.complete(complete)
    log.delete_ids()
    if not claim.is_first:
        with suppress(JobError, RunStopped):  # `verify --sweep` does the same, later
            claim.sweep()
    return complete
