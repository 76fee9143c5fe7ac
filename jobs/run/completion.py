"""The end of a job: writes what tools open it by, then the mark of completeness, once every row is committed."""

from __future__ import annotations

from contextlib import suppress

from ...actors.batcher.stats import BatchStats
from ...actors.records.keys import CARD_KEY, METADATA_KEY
from ...cluster.storage import Storage
from ...cluster.storage.guard import guarded
from ...errors import JobChanged, JobError, RunStopped
from ..output.card import write_card
from ..output.claim import Claim
from ..output.complete import Complete
from ..output.metadata_table import write_metadata
from ..output.output_file import OutputFile
from ..output.plan_log import PlanLog
from ..output.reader import Layout
from ..output.totals import Totals
from .prepare import ResolvedJob


def write_companions(storage: Storage, complete: Complete, *, only_missing: bool = False) -> None:
    """Write what tools open an output by: the dataset card, and where clips are files, `metadata.csv`.

    Args:
        only_missing: Leave those that are there

    Raises:
        JobError: The store raised it, or a manifest is damaged
        RunStopped: The store raised it
    """
    output = OutputFile.load(storage)
    is_files = not output.is_text and Layout.of(storage, output.job.spec).container.name == "files"
    if is_files and not (only_missing and storage.exists(METADATA_KEY)):
        write_metadata(storage, output)
    if not (only_missing and storage.exists(CARD_KEY)):
        write_card(storage, output.job, complete)


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
    with guarded(claim.check):
        write_companions(job.storage, complete)
    claim.complete(complete)
    log.delete_ids()
    if not claim.is_first:
        with suppress(JobError, RunStopped):  # `verify --sweep` does the same, later
            claim.sweep()
    return complete
