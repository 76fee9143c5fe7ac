"""The end of a job: the mark that nothing is missing, written when nothing is."""

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
    """Write the mark of completeness, and remove what served the run alone.

    Args:
        committed: All that is in the manifests
        num_rows: Of the corpus, as it was read
        batches: Of this run

    Raises:
        CorpusChanged: Where manifests and corpus do not agree
        JobChanged: Where manifests and corpus do not agree
        LeaseLost: Another driver has the lease; what the store raises passes
    """
    job.corpus.refuse_changed()
    if committed.num_rows != num_rows:
        raise JobChanged(
            f"{job.spec.output.uri} has {committed.num_rows} rows in its manifests, the corpus {num_rows}: it has "
            "changed since. Restore it, or start anew with --overwrite."
        )
    told = batches if batches.cells_total else None
    complete = Complete(
        committed.num_rows, committed.num_ok, committed.num_failed, committed.audio_s, told, committed.num_unspoken
    )
    claim.complete(complete)
    log.delete_ids()
    if not claim.is_first:
        with suppress(JobError, RunStopped):  # `verify --sweep` does the same, later
            claim.sweep()
    return complete
